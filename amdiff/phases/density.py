"""The density of log distances, its modes and the valley between them.

Copies sharpen as K falls, so plain log distances have several modes among the copies. The soft
logarithm ``u = log sqrt(d^2 + d0^2)`` merges them: below d0 all distances look alike.
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
    """The map between distances and soft log distances."""

    d0: float

    def __call__(self, distance: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
        return np.asarray(0.5 * np.log(np.square(distance) + self.d0**2))

    def inverse(self, u: Float64[np.ndarray, "..."] | float) -> Float64[np.ndarray, "..."]:
        """Distance whose soft log is ``u``; 0 below log d0."""
        return np.asarray(np.sqrt(np.maximum(np.exp(2 * np.asarray(u)) - self.d0**2, 0.0)))


@dataclass(frozen=True)
class Histogram:
    """Counts of soft log distances on a common grid, one row for each K."""

    grid: Float64[np.ndarray, " bins"]
    """Centres of the bins."""
    counts: Float64[np.ndarray, "sizes bins"]

    @classmethod
    def of(cls, values: Sequence[Float64[np.ndarray, " _"]], margin: float) -> Histogram:
        """Bin soft log distances, with ``margin`` left free on both sides."""
        low = min(v.min() for v in values) - margin
        high = max(v.max() for v in values) + margin
        edges = low + STEP * np.arange(int(np.ceil((high - low) / STEP)) + 1)
        counts = np.stack([np.histogram(v, edges)[0] for v in values]).astype(float)
        return cls((edges[:-1] + edges[1:]) / 2, counts)

    def density(self, bandwidth: float) -> Float64[np.ndarray, " bins"]:
        """Gaussian kernel density, each K weighted equally; integrates to 1."""
        weights = (self.counts / self.counts.sum(axis=1, keepdims=True)).mean(axis=0)
        return _smooth(weights, bandwidth) / STEP

    def resampled(self, rng: np.random.Generator, bandwidth: float) -> Histogram:
        """A bootstrap sample: each K's distances drawn anew from their own kernel density (Silverman and Young 1987).

        Drawn from the distances themselves, no sample would fall where none is, as at a valley.
        """
        smooth = _smooth(self.counts, bandwidth)
        drawn = [rng.multinomial(round(row.sum()), p / p.sum()) for row, p in zip(self.counts, smooth, strict=True)]
        return Histogram(self.grid, np.stack(drawn).astype(float))


def _smooth(values: Float64[np.ndarray, "..."], bandwidth: float) -> Float64[np.ndarray, "..."]:
    """Convolved with a Gaussian along the last axis."""
    return scipy.ndimage.gaussian_filter1d(values, bandwidth / STEP, mode="constant", truncate=5)


def modes(density: Float64[np.ndarray, " bins"], min_mode: float) -> list[int]:
    """Bins of the density's modes: peaks that rise by ``min_mode`` of the highest above their surroundings."""
    return scipy.signal.find_peaks(density, prominence=min_mode * density.max())[0].tolist()


def valley(density: Float64[np.ndarray, " bins"], min_mode: float) -> int | None:
    """Bin of the lowest point between the outermost modes, or None where there is one mode only.

    Where the lowest value is taken on a stretch, its middle.
    """
    peaks = modes(density, min_mode)
    if len(peaks) < 2:
        return None
    between = density[peaks[0] : peaks[-1] + 1]
    lowest = np.flatnonzero(between <= between.min() + 1e-9 * density.max())
    return peaks[0] + int(lowest[len(lowest) // 2])


def dip_p_value(values: Sequence[Float64[np.ndarray, " _"]], most: int = 20_000) -> float:
    """p-value of Hartigan's dip test (1985) that the pooled values have one mode.

    Each K contributes equally many values, ``most`` in all, or as many as it has.
    """
    share = max(1, most // len(values))
    return float(diptest(np.concatenate([v[:share] for v in values]))[1])
