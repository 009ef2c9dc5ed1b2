"""Critical times and volumes of basins of attraction, from tables of recovery distances (section 7).

A table holds the distance ``D(x, x_hat)`` for each target x, each time of the search and each noisy copy. Entries that
were not computed are NaN. A copy is recovered at a time where its distance is at most ``delta``. The search of a target
stops at the first time where less than a share P of its copies is recovered.

The critical time of a copy is the last time at which it was recovered before its first failure. (By algorithm 1 with
the published code it is the time before the search of its target stopped.) It gives a radius
``r = |x - x_t|``. The volume of the basin is taken as that of the ball with this radius:

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
    """The last times at which the copies of targets are recovered."""

    index: Int64[np.ndarray, "n copies"]
    """Position of each copy's critical time in the list of times; 0 for a copy that was never recovered."""
    failed: Bool[np.ndarray, "n copies"]
    """Whether each copy was lost even at the first time."""
    open: Bool[np.ndarray, " n"]
    """Whether the search of each target went on to the last time. Its critical times are then lower bounds."""
    before_stop: Int64[np.ndarray, " n"]
    """Position of the time before each target's search stopped, in the list of times; 0 if it stopped at once. It is
    the critical time of all its copies by algorithm 1 with the published code."""

    @property
    def floor(self) -> Bool[np.ndarray, "n copies"]:
        """Whether each copy's critical time is the first time. For those that ``failed`` it is an upper bound."""
        return self.index == 0


def critical_times(
    distance: Float[np.ndarray, "n times copies"], delta: float, probability: float, largest: float
) -> CriticalTimes:
    """Find the critical times for the threshold ``delta``, which may be smaller than that of the search.

    ``distance`` is the table that a search made, as ``Basins.distance``, and ``largest`` is the threshold that the
    search used. ``probability`` is the share of copies, between 0 and 1, below which a target stops. A search by
    bisection skips times; a skipped entry takes the value of the next time that was computed.

    Raises ``ValueError`` where ``delta`` is larger than ``largest``, and where it is smaller and the table comes from a
    bisection.
    """
    if delta > largest * (1 + 1e-9):
        raise AmdiffError(
            f"delta = {delta:g} is larger than {largest:g}, the threshold of the search; search again with this delta"
        )
    missing = np.isnan(distance)
    gaps = (missing[:, :-1] & ~missing[:, 1:]).any()
    if gaps and delta < largest * (1 - 1e-9):
        raise AmdiffError(
            f"delta = {delta:g} is not {largest:g}, the threshold of the search, and a search by bisection has answers "
            "only for its own threshold; search by scan"
        )
    recovered = _filled(distance, delta)
    count = recovered.shape[1]
    share = recovered.mean(axis=2)
    stopped = share < probability - 1e-12
    stop = np.where(stopped.any(axis=1), stopped.argmax(axis=1), count)
    seen = np.arange(count)[None, :, None] <= stop[:, None, None]
    failing = ~recovered & seen
    first = np.where(failing.any(axis=1), failing.argmax(axis=1), np.minimum(stop, count - 1)[:, None] + 1)
    return CriticalTimes(np.maximum(first - 1, 0), first == 0, stop == count, np.maximum(stop - 1, 0))


def _filled(distance: np.ndarray, delta: float) -> np.ndarray:
    """Whether each copy is recovered. A missing entry takes the value of the next time; without one it is lost."""
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
    """Return ``|x - x_t|`` (n, copies) for ``x_t = sqrt(ab) x + sqrt(1 - ab) n``.

    ``squares``, ``products`` and ``noise_squares`` are ``|x|^2``, ``x.n`` and ``|n|^2`` from ``basins.lengths``.
    ``alpha_bar`` is ab at the critical time of each copy.
    """
    kept, sigma = 1 - np.sqrt(alpha_bar), np.sqrt(1 - alpha_bar)
    square = kept**2 * squares[:, None] - 2 * kept * sigma * products + sigma**2 * noise_squares
    return np.sqrt(np.maximum(square, 0))


def log_ball_volume(radius: Float[np.ndarray, "..."], dimension: int) -> Float64[np.ndarray, "..."]:
    """Return the natural logarithm of the volume of a ball in ``dimension`` dimensions (eq. 34); -inf for radius 0."""
    with np.errstate(divide="ignore"):
        logs = np.log(radius)
    return np.asarray(0.5 * dimension * np.log(np.pi) + dimension * logs - scipy.special.gammaln(0.5 * dimension + 1))
