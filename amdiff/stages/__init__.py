"""One function per rule: read artifacts, compute, write one artifact.

A rule of the workflow, a command of the program and a function here share one name.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from amdiff.artifacts import Artifact
from amdiff.config import Config
from amdiff.leases import gpu
from amdiff.plan import wants_gpu
from amdiff.store import Store

from .context import Context, Stage, say

STAGES = {
    "dataset": "models",
    "metric": "metrics",
    "train": "models",
    "convert": "convert",
    "sample": "models",
    "neighbors": "measures",
    "thresholds": "thresholds",
    "classify": "measures",
    "peers": "peers",
    "grid": "thresholds",
    "basin": "landscape",
    "curvature": "landscape",
    "energy": "landscape",
    "likelihood": "toy",
    "report": "report",
    "comparison": "comparison",
    "pipeline": "text_to_image",
    "generate": "text_to_image",
    "spectrum": "text_to_image",
    "prompts": "prompts",
}
"""The module of each stage: imported when needed, since some bring torch and others faiss."""


def stage_function(name: str) -> Stage:
    """The function that makes artifacts of a stage."""
    return getattr(importlib.import_module(f"amdiff.stages.{STAGES[name]}"), name)


def make(artifact: Artifact, config: Config, root: Path = Path()) -> bool:
    """Make an artifact unless it is there; whether anything was done.

    One process at a time makes an artifact; another waits, then finds it made.
    """
    context = Context(Store(root), config)

    def waiting() -> None:
        say(f"{artifact.folder}: another process is making this; waiting for it")

    with context.store.making(artifact, context.provenance, waiting) as folder:
        if folder is None:
            return False

        def busy(names: list[str]) -> None:
            say(f"{artifact.folder}: all GPUs ({', '.join(names)}) are taken; waiting for one")

        with gpu(wants_gpu(artifact, config.runtime.device), busy) as device:
            if device is not None:
                context.facts["gpu"] = device
            context.start()
            stage_function(artifact.stage)(context, artifact, folder)
    return True
