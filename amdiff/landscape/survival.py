"""Basins of images in one call: how much noise each survives, and the volume that this says (eq. 12 and 34)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from amdiff.diffusion.denoisers import Denoiser
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import ANALYSIS, SampleNoise
from amdiff.errors import AmdiffError

from .basins import Distance, Search, l2, lengths, scan, search_times
from .inputs import floating
from .volumes import critical_times, log_ball_volume, radii


@dataclass(frozen=True)
class Basins:
    """How much noise each of n targets survives."""

    times: Int64[np.ndarray, " times"]
    """Indices of the noise levels that were searched."""
    distance: Float32[np.ndarray, "n times copies"]
    """Of each target to what came back; NaN beyond the time at which the target stopped."""
    critical_time: Int64[np.ndarray, "n copies"]
    """The last time from which a copy came back, before its first failure."""
    failed: Bool[np.ndarray, "n copies"]
    """Copies that did not even come back from the first time, which is their critical time here."""
    open: Bool[np.ndarray, " n"]
    """Targets that never stopped: their critical times are lower bounds."""
    radius: Float64[np.ndarray, "n copies"]
    """``|x - x_t|`` at the critical time, for images in [-1, 1]."""
    log_volume: Float64[np.ndarray, "n copies"]
    """Logarithm of the volume of the ball of that radius (eq. 34)."""


def find_basins(
    denoiser: Denoiser,
    images: Float[Tensor, "n ..."],
    schedule: Schedule,
    *,
    delta: float,
    distance: Distance = l2,
    copies: int = 10,
    steps: int = 20,
    first: int = 1,
    stride: int = 25,
    probability: float = 0.9,
    clip: bool = True,
    seed: int = 0,
    batch: int = 4096,
    callback: Callable[[int], None] = lambda stopped: None,
) -> Basins:
    """Basins of attraction around images in [-1, 1] (eq. 12 and 34, algorithm 1).

    ``copies`` noisy copies of each image are denoised in up to ``steps`` steps of DDIM from the times ``first``,
    ``first + stride``, ..., ``batch`` images at once, until less than the share ``probability`` of them comes back
    within ``delta`` by ``distance``. The noise of an image depends on ``seed`` and its number. ``callback`` hears how
    many have stopped.
    Raises ``ValueError`` for times outside the schedule, and where what comes back is not finite.
    """
    if not delta > 0:
        raise AmdiffError(f"delta is a positive distance, got {delta}")
    if copies < 1 or steps < 1:
        raise AmdiffError(f"at least one copy and one step are needed, got copies = {copies}, steps = {steps}")
    floating(images)
    if clip and float(images.abs().max()) > 1.5:
        raise AmdiffError(
            f"images lie in [-1, 1], got values up to {float(images.abs().max()):g}; scale them, or set clip=False"
        )
    search = Search(
        denoiser,
        schedule,
        search_times(schedule, first, stride),
        steps=steps,
        delta=delta,
        probability=probability,
        distance=distance,
        clip=clip,
        batch=batch,
    )
    streams = SampleNoise(seed, range(ANALYSIS, ANALYSIS + len(images)))
    noise = torch.from_numpy(streams((copies, *images.shape[1:]))).to(images)
    table, _ = scan(search, images, noise, callback=callback)
    found = critical_times(table, delta, probability, delta)
    times = search.times[found.index]
    radius = radii(*lengths(images, noise), schedule.alpha_bar[times])
    volume = log_ball_volume(radius, images[0].numel())
    return Basins(search.times, table, times, found.failed, found.open, radius, volume)
