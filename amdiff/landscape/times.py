"""The noise levels at which a search for a basin looks."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from amdiff.diffusion.processes import Schedule
from amdiff.errors import AmdiffError


def search_times(schedule: Schedule, first: int, stride: int) -> Int64[np.ndarray, " times"]:
    """Return the times first, first + stride, ... that are below T.

    Raises ``ValueError`` where ``first`` is not one of 0 to T-1, or ``stride`` is less than 1.
    """
    if stride < 1:
        raise AmdiffError(f"the times of a search need a stride of at least 1, got {stride}")
    if not 0 <= first < len(schedule):
        raise AmdiffError(f"the first time must be one of 0 to {len(schedule) - 1}, got {first}")
    return np.arange(first, len(schedule), stride)


def fine_times(
    schedule: Schedule, first: int, stride: int, ratio: float, finest: float | None, dimension: int
) -> Int64[np.ndarray, " times"]:
    """Return the times of a search that are dense where the noise is small, and ``stride`` apart beyond.

    Parameters
    ----------
    schedule
        The noise levels of the denoiser.
    first
        The smallest time that may be used.
    stride
        Largest step between times.
    ratio
        Ratio of the noise-to-signal of neighbouring times, above 1, as long as they are less than ``stride`` apart.
    finest
        Length of the noise at the first time, relative to the signal, for images in [-1, 1]: the search begins at the
        last time where the noise is no longer than this. None: it begins at ``first``.
    dimension
        Number of values of one image.

    Raises
    ------
    ValueError
        Where ``first`` is not one of 0 to T-1, ``stride`` is less than 1, or ``ratio`` is not above 1.
    """
    search_times(schedule, first, stride)
    if not ratio > 1:
        raise AmdiffError(f"the ratio of neighbouring noise levels must be above 1, got {ratio}")
    level = schedule.sigma / np.sqrt(schedule.alpha_bar)
    time = first
    if finest is not None:
        below = np.flatnonzero(level * dimension**0.5 <= finest)
        time = max(first, int(below[-1])) if len(below) else first
    times, step = [], 1
    while time < len(schedule):
        times.append(time)
        if step < stride:
            step = min(max(int(np.searchsorted(level, ratio * level[time])) - time, 1), stride)
        time += step
    return np.array(times)
