"""Training curves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from matplotlib.figure import Figure

from amdiff.artifacts import Artifact
from amdiff.figures import phases

from ..context import Context
from ..models import METRICS
from . import Part


def training(context: Context, artifact: Artifact, spec: Any) -> Part:
    """Loss of every model."""
    curves = {}
    for model in artifact.reads["train"]:
        text = context.store.file(model, METRICS).read_text()
        curves[model.params["size"]] = [json.loads(line) for line in text.splitlines()]

    def figures() -> Iterator[tuple[str, Figure]]:
        yield "training", phases.training(curves)

    return Part(figures)
