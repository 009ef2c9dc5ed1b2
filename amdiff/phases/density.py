"""The density of log distances, its modes, and the valley between them.

Copies are sharper at smaller K. The plain logarithm of their distances therefore has several modes in a sweep. The soft
logarithm ``u = log sqrt(d^2 + d0^2)`` merges these modes, since it hardly tells distances below d0 apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from diptest import diptest
from jaxtyping import Float64

STEP = 0.01
"""Width of a bin, in units of log distance."""


@dataclass(frozen=True)
class SoftLog:
    """The map from distances d to soft log distances ``u = log sqrt(d^2 + d0^2)``."""

    d0: float

    def __call__(self, distance: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
        return np.asarray(0.5 * np.log(np.square(distance) + self.d0**2))

    def inverse(self, u: Float64[np.ndarray, "..."] | float) -> Float64[np.ndarray, "..."]:
        """Return the distance whose soft logarithm is ``u``; 0 where ``u`` is below log d0."""
        return np.asarray(np.sqrt(np.maximum(np.exp(2 * np.asarray(u)) - self.d0**2, 0.0)))


@dataclass(frozen=True)
class Histogram:
    """Counts of soft log distances on a common grid, one row for each K."""

    grid: Float64[np.ndarray, " bins"]
    """Centres of the bins."""
    counts: Float64[np.ndarray, "sizes bins"]

    @classmethod
    def of(cls, values: Sequence[Float64[np.ndarray, " _"]], margin: float) -> Histogram:
        """Count soft log distances, one array for each K, on a grid with a free ``margin`` on both sides."""
        low = min(v.min() for v in values) - margin
        high = max(v.max() for v in values) + margin
        edges = low + STEP * np.arange(int(np.ceil((high - low) / STEP)) + 1)
        counts = np.stack([np.histogram(v, edges)[0] for v in values]).astype(float)
        return cls((edges[:-1] + edges[1:]) / 2, counts)

    def density(self, bandwidth: float) -> Float64[np.ndarray, " bins"]:
        """Return the Gaussian kernel density in which each K has the same weight. It integrates to 1."""
        weights = (self.counts / self.counts.sum(axis=1, keepdims=True)).mean(axis=0)
        return _smooth(weights, bandwidth) / STEP

    def resampled(self, rng: np.random.Generator, bandwidth: float) -> Histogram:
        """Draw a smoothed bootstrap sample: each K's distances are drawn from their kernel density.

        A plain bootstrap would draw only distances that were observed, and hence none in an empty valley (Silverman and
        Young 1987).
        """
        smooth = _smooth(self.counts, bandwidth)
        drawn = [rng.multinomial(round(row.sum()), p / p.sum()) for row, p in zip(self.counts, smooth, strict=True)]
        return Histogram(self.grid, np.stack(drawn).astype(float))


def _smooth(values: Float64[np.ndarray, "..."], bandwidth: float) -> Float64[np.ndarray, "..."]:
    """Convolve with a Gaussian along the last axis."""
    return scipy.ndimage.gaussian_filter1d(values, bandwidth / STEP, mode="constant", truncate=5)


def modes(density: Float64[np.ndarray, " bins"], min_mode: float) -> list[int]:
    """Return the bins of the modes: peaks whose prominence is at least ``min_mode`` times the highest density."""
    return scipy.signal.find_peaks(density, prominence=min_mode * density.max())[0].tolist()


def valley(density: Float64[np.ndarray, " bins"], min_mode: float) -> int | None:
    """Return the bin of the lowest point between the outermost modes, or None where there are fewer than two modes.

    Where several bins have the lowest value, the middle one is returned.
    """
    peaks = modes(density, min_mode)
    if len(peaks) < 2:
        return None
    between = density[peaks[0] : peaks[-1] + 1]
    lowest = np.flatnonzero(between <= between.min() + 1e-9 * density.max())
    return peaks[0] + int(lowest[len(lowest) // 2])


def dip_p_value(values: Sequence[Float64[np.ndarray, " _"]], most: int = 20_000) -> float:
    """Return the p-value of Hartigan's dip test (1985) of the hypothesis that the pooled values have one mode.

    Each K contributes the same number of values, ``most`` in all; a K with fewer values contributes all of them.
    """
    share = max(1, most // len(values))
    return float(diptest(np.concatenate([v[:share] for v in values]))[1])
