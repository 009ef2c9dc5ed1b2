"""Training curves."""

from __future__ import annotations

import json
from typing import Any

from amdiff.artifacts import Artifact

from ..context import Context
from . import Part


def training(context: Context, artifact: Artifact, spec: Any) -> Part:
    """Curves of the training loss of every model."""
    curves = {}
    for model in artifact.reads["train"]:
        text = context.store.file(model, "log").read_text()
        curves[model.params["size"]] = [json.loads(line) for line in text.splitlines()]
    return Part(curves)
