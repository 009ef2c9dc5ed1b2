"""The stages: one module for each, with a function of the same name that makes the artifacts of the stage.

Such a function reads other artifacts, computes, and writes one artifact.
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
    """The function that makes artifacts of the stage ``name``.

    Its module is imported only when it is asked for, since some modules import torch and others faiss.
    """
    return getattr(importlib.import_module(f"amdiff.stages.{name}"), name)


def make(artifact: Artifact, plan: Plan, root: Path = Path()) -> bool:
    """Make an artifact of a plan unless it exists. Returns whether it was made by this call.

    Only one process makes an artifact at a time. A second process waits, then finds the artifact made.
    ``root`` is the folder of the project.
    """
    context = Context(Store(root), plan)

    def waiting() -> None:
        say(f"{artifact.folder}: another process is making this; waiting for it")

    with context.store.making(artifact, context.provenance, waiting) as folder:
        if folder is None:
            return False

        def busy(names: list[str]) -> None:
            say(f"{artifact.folder}: all GPUs ({', '.join(names)}) are taken; waiting for one")

        runtime = plan.config.runtime
        with gpu(wants_gpu(artifact, runtime.device), busy, together=runtime.jobs_per_device) as device:
            if device is not None:
                context.facts["gpu"] = device
            context.start()
            stage_function(artifact.stage)(context, artifact, folder)
    release_features(context.store, plan, artifact)
    return True
