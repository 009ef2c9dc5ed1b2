"""Phases over training time: the classes at every K and snapshot."""

from __future__ import annotations

from typing import TypeVar

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec, ValleyThresholds
from amdiff.figures.first_screen import recipe
from amdiff.figures.snapshots import Content
from amdiff.figures.snapshots_tables import snapshots_sentences, snapshots_tables
from amdiff.phases.generalization import ModelLosses
from amdiff.phases.valleys import dips

from ..context import Context
from ..stored_tables import read_distances, read_summaries
from . import Part
from .losses import read_losses

T = TypeVar("T")
SOFTNESS = ValleyThresholds.model_fields["softness"].default


def snapshots(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Shares at every K and step, and the step at which memorization begins."""
    found: dict[int, dict[int, dict]] = {}
    softness = getattr(spec.thresholds, "softness", SOFTNESS)
    near: dict[tuple[int, int], tuple[float, float] | None] = {}
    classified = [*artifact.reads["snapshots"], *artifact.reads["classify"]]
    for made, summary in zip(classified, read_summaries(context, classified), strict=True):
        step = made.parents["samples"][0].parent("train").params["training"]["iterations"]
        found.setdefault(summary["size"], {})[step] = summary
        near[summary["size"], step] = dips(read_distances(context, made.parent("neighbors")), softness)
    losses: dict[int, dict[int, ModelLosses]] = {}
    measured = [*artifact.reads.get("snapshot_losses", ()), *artifact.reads.get("losses", ())]
    for made, model in zip(measured, read_losses(context, measured), strict=True):
        if model.heldout is not None:
            step = made.parent("train").params["training"]["iterations"]
            losses.setdefault(made.params["size"], {})[step] = model
    content = Content(_ordered(found), spec.thresholds.confidence, recipe(spec), _ordered(losses), near)
    return Part(content, snapshots_tables(content), snapshots_sentences(content))


def _ordered(found: dict[int, dict[int, T]]) -> dict[int, dict[int, T]]:
    return {size: dict(sorted(steps.items())) for size, steps in sorted(found.items())}
