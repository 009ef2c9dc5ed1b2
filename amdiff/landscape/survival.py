"""Find the basins of images in one call: how much noise each image survives, and the volume (eq. 12 and 34)."""

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

from .basins import Distance, Search, l2, lengths, scan
from .inputs import floating
from .times import search_times
from .volumes import critical_times, log_ball_volume, radii


@dataclass(frozen=True)
class Basins:
    """How much noise each of n targets survives, from ``find_basins``."""

    times: Int64[np.ndarray, " times"]
    """Indices of the noise levels that were searched, in increasing order."""
    distance: Float32[np.ndarray, "n times copies"]
    """Distance of each target to its denoised copies; NaN at times after the search of the target stopped."""
    critical_time: Int64[np.ndarray, "n copies"]
    """The last time from which each copy was recovered before its first failure."""
    failed: Bool[np.ndarray, "n copies"]
    """Whether each copy was lost even at the first time. Its critical time is then set to the first time."""
    open: Bool[np.ndarray, " n"]
    """Whether the search of each target went on to the last time. Its critical times are then lower bounds."""
    radius: Float64[np.ndarray, "n copies"]
    """Distance ``|x - x_t|`` at the critical time, for images in [-1, 1]."""
    log_volume: Float64[np.ndarray, "n copies"]
    """Natural logarithm of the volume of the ball of that radius (eq. 34)."""


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
    """Find the basin of attraction of each image: how much noise it survives (eq. 12 and 34, algorithm 1).

    Noisy copies of each image are denoised from the times ``first``, ``first + stride``, ..., in this order. A copy is
    recovered where its distance to the image is at most ``delta``. The search of an image stops at the first time where
    less than the share ``probability`` of its copies is recovered.

    Parameters
    ----------
    denoiser
        Predicts the noise in x at times t.
    images
        Images (n, *shape) in [-1, 1], as floating-point numbers.
    schedule
        The noise levels of the denoiser.
    delta
        Largest distance at which a copy is recovered, in the unit of ``distance``.
    distance
        Computes the distance of each pair of images. Default ``l2``, the Euclidean distance; see ``pair_distance`` for
        others.
    copies
        Number of noisy copies of each image. Default 10.
    steps
        Largest number of DDIM steps from a time to 0. Default 20.
    first, stride
        Index of the first noise level of the search, and the step to the next. Default 1 and 25.
    probability
        Share of copies that must be recovered for the search to go on, between 0 and 1. Default 0.9.
    clip
        Whether predicted images are clipped to [-1, 1] at each step. Default True.
    seed
        The noise of an image depends on the seed and the image's number only. Default 0.
    batch
        Number of images that pass the denoiser together. Default 4096.
    callback
        Called after each time with the number of images whose search has stopped.

    Raises
    ------
    ValueError
        Where ``delta`` is not positive, there is no copy or step, times lie outside the schedule, images are not
        floating-point numbers, values are larger than 1.5 in size while ``clip`` is true, or denoised images are not
        finite.
    """
    if not delta > 0:
        raise AmdiffError(f"delta must be a positive distance, got {delta}")
    if copies < 1 or steps < 1:
        raise AmdiffError(f"at least one copy and one step are needed, got copies = {copies}, steps = {steps}")
    floating(images)
    if clip and float(images.abs().max()) > 1.5:
        raise AmdiffError(
            f"images must lie in [-1, 1], got values up to {float(images.abs().max()):g}; scale them, or set clip=False"
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
