"""Measures how fast a network trains on this machine."""

from __future__ import annotations

import time
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.config import RuntimeSpec, TrainingSpec
from amdiff.diffusion.processes import Schedule, process_of

from .loading import choose_device, untrained_network

LEAST_SECONDS = 5.0
"""Steps are timed for at least this long, after the first steps, which are not timed."""

FEW = 4
"""Images in a step if a step of the whole batch would take longer than ``LEAST_SECONDS``. The rate is then scaled."""


def measured_rate(artifact: Artifact, shape: tuple[int, ...], runtime: RuntimeSpec) -> tuple[float, str]:
    """Train the network of a ``train`` artifact for a few seconds, on random data of the given ``shape``.

    Returns the training steps per second at the artifact's batch size, and the name of the device.
    """
    import torch

    device = choose_device(runtime.device, artifact.params["training"]["precision"], training=True)
    batch = artifact.params["training"]["batch_size"]
    used = min(FEW, batch)
    one = _seconds(artifact, shape, runtime, device, used, least=0.0)
    if one * batch / used <= LEAST_SECONDS:
        used = batch
    seconds = _seconds(artifact, shape, runtime, device, used, least=LEAST_SECONDS)
    return used / batch / seconds, torch.cuda.get_device_name() if device.type == "cuda" else device.type


def _seconds(
    artifact: Artifact, shape: tuple[int, ...], runtime: RuntimeSpec, device: Any, batch: int, least: float
) -> float:
    """Mean time of a training step of ``batch`` images, in seconds, measured for at least ``least`` seconds."""
    import torch

    from amdiff.diffusion.graphs import WARM_UPS, Work
    from amdiff.diffusion.training import Trainer

    params, process = artifact.params, process_of(artifact.params["diffusion"])
    spec = TrainingSpec.model_validate({**params["training"], "cap_batch": False, "batch_size": batch})
    images = isinstance(process, Schedule)
    data: Any = torch.randint(256, (batch, *shape), dtype=torch.uint8) if images else torch.randn(batch, *shape)
    trainer = Trainer(
        untrained_network(params, shape, torch.Generator()).to(device),
        data.to(device),
        spec,
        process,
        iterations=10**9,
        log_every=10**9,
        compile=runtime.compile,
        work=Work(device, graphs=runtime.graphs),
    )

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    trainer.run(WARM_UPS + 1 if trainer.recording else 2)
    wait()
    start, steps = time.monotonic(), 0
    while steps == 0 or time.monotonic() - start < least:
        trainer.run(1)
        steps += 1
    wait()
    return (time.monotonic() - start) / steps
