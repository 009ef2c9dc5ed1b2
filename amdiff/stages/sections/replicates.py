"""Shares over several runs of the sweep."""

from __future__ import annotations

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec
from amdiff.figures.first_screen import recipe
from amdiff.figures.replicates import Content, Run, replicates_sentences, replicates_tables

from ..context import Context
from ..stored_tables import read_summaries
from . import Part


def replicates(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Shares over all runs, with intervals over runs."""
    content = all_runs(context, artifact, spec)
    return Part(content, replicates_tables(content), replicates_sentences(content))


def all_runs(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Content:
    """Every run of the sweep."""
    asked = spec.replicates
    assert asked is not None
    first, others = artifact.reads["classify"], artifact.reads["replicates"]
    count = len(first)
    runs = []
    for number in range(asked.runs):
        made = others[(number - 1) * count : number * count] if number else first
        own = spec.replicate(number)
        runs.append(
            Run(
                draw=number // asked.seeds,
                seed=number % asked.seeds,
                subset_seed=own.subset_seed,
                training_seed=own.training.seed if spec.trained else None,
                summaries=read_summaries(context, made),
            )
        )
    return Content(runs, spec.thresholds.confidence, spec.thresholds.estimated, recipe(spec, asked.runs))
