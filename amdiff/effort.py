"""Estimates how long a plan takes on this machine, from the arithmetic of its networks."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from amdiff.artifacts import Artifact
from amdiff.catalogue import STAGES
from amdiff.leases import has_driver
from amdiff.plan import Plan, wants_gpu
from amdiff.plan.costs import seconds
from amdiff.plan.devices import Device
from amdiff.store import Store

DAY = 86400.0
"""Seconds of work above which the user is warned."""


def cost(plan: Plan, artifact: Artifact, gpu: bool | None = None, device: Device | None = None) -> float:
    """Seconds that an artifact takes, about.

    ``gpu`` tells whether it is made on a GPU. By default, it is if the artifact uses one and this machine has one.
    ``device`` is the GPU, if it was timed.
    """
    if gpu is None:
        gpu = wants_gpu(artifact, plan.config.runtime.device) and has_driver()
    return seconds(artifact, plan.shapes.get(artifact.subject, (1, 1, 1)), gpu, device)


def long_runs(plan: Plan, root: Path = Path()) -> list[str]:
    """A sentence if the work left in the experiments takes more than a day: how long, and what takes most of it."""
    store, driver = Store(root), has_driver()
    parts: dict[tuple[str, str], float] = defaultdict(float)
    on_gpus, wanted = 0.0, False
    for experiment, artifact in {a.folder: (e, a) for e in plan.experiments for a in e.artifacts()}.values():
        if store.complete(artifact):
            continue
        gpu = wants_gpu(artifact, plan.config.runtime.device)
        wanted |= gpu
        parts[STAGES[artifact.stage].work, experiment.name] += cost(plan, artifact, gpu and driver)
        on_gpus += cost(plan, artifact, gpu)
    total = sum(parts.values())
    if total <= DAY:
        return []
    (kind, name), most = max(parts.items(), key=lambda part: part[1])
    unit = "a GPU" if wanted and driver else "one processor core"
    other = f", or {on_gpus / 3600:,.0f} of a GPU" if wanted and not driver else ""
    return [
        f"this takes about {total / 3600:,.0f} hours of {unit}{other}, by the networks' arithmetic; {kind} of {name} "
        f"takes {most / total:.0%} of it; `amdiff plan` lists all parts, `amdiff plan --measure` times the networks"
    ]
