"""Critical times and volumes of basins of attraction, from tables of recovery distances (section 7).

A table holds ``D(x, x_hat)`` for each target x, each time of the search and each noisy copy; entries that
were not computed are NaN. A copy is recovered at a time where its distance is at most ``delta``. The search
of a target stops at the first time where less than a share P of its copies is recovered.

The critical time of a copy is the last one at which it was recovered before its first failure. It
gives a radius ``r = |x - x_t|``, and the ball of that radius stands for the basin:

    log V = (d/2) log pi + d log r - log Gamma(d/2 + 1)    (eq. 34)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Bool, Float, Float64, Int64

from amdiff.errors import AmdiffError


@dataclass(frozen=True)
class CriticalTimes:
    """Where copies of targets stop to come back."""

    index: Int64[np.ndarray, "n copies"]
    """Number of each copy's critical time in the list of times; 0 for one that never came back."""
    failed: Bool[np.ndarray, "n copies"]
    """Copies that were not recovered even at the first time."""
    open: Bool[np.ndarray, " n"]
    """Targets whose search reached the last time without a stop: their critical times are lower bounds."""


def critical_times(
    distance: Float[np.ndarray, "n times copies"], delta: float, probability: float, largest: float
) -> CriticalTimes:
    """Critical times at the threshold ``delta``.

    ``largest`` is the threshold at which the search stopped. Up to it the table is complete; entries missing
    below a stop (a search by bisection) take the value of the next time that was computed.
    Raises ``ValueError`` for a larger ``delta``, and for a smaller one where such entries are missing.
    """
    if delta > largest * (1 + 1e-9):
        raise AmdiffError(f"the search stopped at a threshold of {largest:g}; delta = {delta:g} needs a new one")
    missing = np.isnan(distance)
    gaps = (missing[:, :-1] & ~missing[:, 1:]).any()
    if gaps and delta < largest * (1 - 1e-9):
        raise AmdiffError(
            f"a search by bisection serves its own threshold {largest:g} only, got delta = {delta:g}; scan"
        )
    recovered = _filled(distance, delta)
    count = recovered.shape[1]
    share = recovered.mean(axis=2)
    stopped = share < probability - 1e-12
    stop = np.where(stopped.any(axis=1), stopped.argmax(axis=1), count)
    seen = np.arange(count)[None, :, None] <= stop[:, None, None]
    failing = ~recovered & seen
    first = np.where(failing.any(axis=1), failing.argmax(axis=1), np.minimum(stop, count - 1)[:, None] + 1)
    return CriticalTimes(np.maximum(first - 1, 0), first == 0, stop == count)


def _filled(distance: np.ndarray, delta: float) -> np.ndarray:
    """Recovered or not; a missing entry is as the next one in time, and lost where none follows."""
    recovered = distance <= np.float32(delta)
    missing = np.isnan(distance)
    for j in range(distance.shape[1] - 2, -1, -1):
        recovered[:, j] = np.where(missing[:, j], recovered[:, j + 1], recovered[:, j])
    return recovered


def radii(
    squares: Float[np.ndarray, " n"],
    products: Float[np.ndarray, "n copies"],
    noise_squares: Float[np.ndarray, "n copies"],
    alpha_bar: Float64[np.ndarray, "n copies"],
) -> Float64[np.ndarray, "n copies"]:
    """``|x - x_t|`` for ``x_t = sqrt(ab) x + sqrt(1 - ab) n``, from ``|x|^2``, ``x.n`` and ``|n|^2``."""
    kept, sigma = 1 - np.sqrt(alpha_bar), np.sqrt(1 - alpha_bar)
    square = kept**2 * squares[:, None] - 2 * kept * sigma * products + sigma**2 * noise_squares
    return np.sqrt(np.maximum(square, 0))


def log_ball_volume(radius: Float[np.ndarray, "..."], dimension: int) -> Float64[np.ndarray, "..."]:
    """Logarithm of the volume of a ball in ``dimension`` dimensions (eq. 34); -inf for radius 0."""
    with np.errstate(divide="ignore"):
        logs = np.log(radius)
    return np.asarray(0.5 * dimension * np.log(np.pi) + dimension * logs - scipy.special.gammaln(0.5 * dimension + 1))
