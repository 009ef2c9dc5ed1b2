"""How fast a network trains on this machine."""

from __future__ import annotations

import time
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.config import RuntimeSpec, TrainingSpec
from amdiff.diffusion.processes import Schedule, process_of

from .loading import choose_device, untrained_network

LEAST_SECONDS = 5.0
"""Steps are timed for at least so long, after two that are not."""

FEW = 4
"""Images a step where a whole batch would take longer than that; the rate is then scaled."""


def measured_rate(artifact: Artifact, shape: tuple[int, ...], runtime: RuntimeSpec) -> tuple[float, str]:
    """Training steps a second of a ``train`` artifact's network at its batch size, and the device."""
    import torch

    device = choose_device(runtime.device, artifact.params["training"]["precision"])
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
    """Seconds that a training step of ``batch`` images takes, the mean over at least ``least`` seconds."""
    import torch

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
    )

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    trainer.run(2)
    wait()
    start, steps = time.monotonic(), 0
    while steps == 0 or time.monotonic() - start < least:
        trainer.run(1)
        steps += 1
    wait()
    return (time.monotonic() - start) / steps
