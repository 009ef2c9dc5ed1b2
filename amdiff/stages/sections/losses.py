"""Losses on training images and on held-out images, and the distance of the score to closed forms."""

from __future__ import annotations

from collections.abc import Iterable

import h5py

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec
from amdiff.figures.first_screen import recipe
from amdiff.figures.losses import Content, losses_sentences, losses_table
from amdiff.phases.generalization import ModelLosses

from ..context import Context
from . import Part


def losses(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Losses of every model, by noise level."""
    sources = artifact.reads["losses"]
    found = dict(zip((a.params["size"] for a in sources), read_losses(context, sources), strict=True))
    content = Content(found, spec.thresholds.confidence, recipe(spec))
    return Part(content, [losses_table(content)], losses_sentences(content))


def read_losses(context: Context, artifacts: Iterable[Artifact]) -> list[ModelLosses]:
    """The results of artifacts of the stage ``losses``."""
    return [_read(context, artifact) for artifact in artifacts]


def _read(context: Context, artifact: Artifact) -> ModelLosses:
    with h5py.File(context.store.file(artifact), "r") as file:
        groups = {
            group: {name: array[:] for name, array in file[group].items() if name != "row"} if group in file else None
            for group in ("train", "heldout")
        }
        common = {name: file[name][:] for name in ("times", "noise_to_signal", "weights")}
        return ModelLosses(
            **common, train=groups["train"] or {}, heldout=groups["heldout"], pool=int(file.attrs["pool"])
        )
