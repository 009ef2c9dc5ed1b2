"""Shares over several runs of the sweep."""

from __future__ import annotations

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec
from amdiff.figures.first_screen import recipe
from amdiff.figures.replicates import Content, Run, replicates_sentences, replicates_tables, replicates_warnings

from ..context import Context
from ..stored_images import dataset_counts
from ..stored_tables import read_summaries, read_thresholds
from . import Part


def replicates(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Shares over all runs, with intervals over runs."""
    content = all_runs(context, artifact, spec)
    images, _ = dataset_counts(context.store, artifact.parent("dataset"))
    tables, said = replicates_tables(content), replicates_sentences(content)
    return Part(content, tables, said, replicates_warnings(content, images))


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
                methods=[_methods(context, a) for a in made],
            )
        )
    return Content(runs, spec.thresholds.confidence, spec.thresholds.estimated, recipe(spec, asked.runs))


def _methods(context: Context, classified: Artifact) -> tuple[str, str]:
    found = read_thresholds(context, classified.parent("thresholds"), classified.params["size"])
    return found["delta_m"]["method"], found["delta_s"]["method"]
