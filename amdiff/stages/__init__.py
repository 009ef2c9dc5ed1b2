"""What makes artifacts: for each stage a module of its name, with a function of its name.

The function reads artifacts, computes, and writes one artifact.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from amdiff.artifacts import Artifact
from amdiff.leases import gpu
from amdiff.plan import Plan, wants_gpu
from amdiff.store import Store

from .console import say
from .context import Context, StageFunction
from .features import release_features


def stage_function(name: str) -> StageFunction:
    """What makes artifacts of a stage; imported here, since some bring torch and others faiss."""
    return getattr(importlib.import_module(f"amdiff.stages.{name}"), name)


def make(artifact: Artifact, plan: Plan, root: Path = Path()) -> bool:
    """Make an artifact of a plan unless it is there; whether anything was done.

    One process at a time makes an artifact; another waits, then finds it made.
    """
    context = Context(Store(root), plan)

    def waiting() -> None:
        say(f"{artifact.folder}: another process is making this; waiting for it")

    with context.store.making(artifact, context.provenance, waiting) as folder:
        if folder is None:
            return False

        def busy(names: list[str]) -> None:
            say(f"{artifact.folder}: all GPUs ({', '.join(names)}) are taken; waiting for one")

        with gpu(wants_gpu(artifact, plan.config.runtime.device), busy) as device:
            if device is not None:
                context.facts["gpu"] = device
            context.start()
            stage_function(artifact.stage)(context, artifact, folder)
    release_features(context.store, plan, artifact)
    return True
