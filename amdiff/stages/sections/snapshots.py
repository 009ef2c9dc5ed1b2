"""Phases over training time: the classes at every K and snapshot."""

from __future__ import annotations

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec
from amdiff.figures.first_screen import recipe
from amdiff.figures.snapshots import Content, snapshots_sentences, snapshots_tables

from ..context import Context
from ..stored_tables import read_summaries
from . import Part


def snapshots(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Shares at every K and step, and the step at which memorization begins."""
    found: dict[int, dict[int, dict]] = {}
    classified = [*artifact.reads["snapshots"], *artifact.reads["classify"]]
    for made, summary in zip(classified, read_summaries(context, classified), strict=True):
        step = made.parents["samples"][0].parent("train").params["training"]["iterations"]
        found.setdefault(summary["size"], {})[step] = summary
    ordered = {size: dict(sorted(steps.items())) for size, steps in sorted(found.items())}
    content = Content(ordered, spec.thresholds.confidence, recipe(spec))
    return Part(content, snapshots_tables(content), snapshots_sentences(content))
