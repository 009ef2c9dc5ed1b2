"""What the stored tables of the analyses say: one row for each class, with intervals over its targets.

Samples of one attractor are nearly one measurement; intervals take the variance between attractors
(``grouped_mean``).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64

from amdiff.phases.intervals import Estimate, grouped_mean

from .spectra import dimension_by_gap, dimension_by_threshold
from .volumes import critical_times, log_ball_volume, radii


@dataclass(frozen=True)
class BasinTable:
    """Recovery distances of one class at one K, and what radii need (see ``volumes``)."""

    cluster: Int64[np.ndarray, " n"]
    distance: Float[np.ndarray, "n times copies"]
    squares: Float64[np.ndarray, " n"]
    products: Float64[np.ndarray, "n copies"]
    noise_squares: Float64[np.ndarray, "n copies"]


@dataclass(frozen=True)
class BasinFinding:
    """Basins of one class at one threshold."""

    n: int
    clusters: int
    critical_time: Estimate
    log_volume: Estimate
    failed: float
    """Share of copies that were not recovered even at the first time."""
    open: float
    """Share of targets that never stopped: their critical times are lower bounds."""


def basin_finding(
    table: BasinTable,
    times: Int64[np.ndarray, " times"],
    alpha_bar: Float64[np.ndarray, " times"],
    *,
    dimension: int,
    delta: float,
    largest: float,
    probability: float,
    confidence: float,
) -> BasinFinding:
    """Mean over copies, then over targets, of critical times and log-volumes (eq. 34)."""
    found = critical_times(table.distance, delta, probability, largest)
    radius = radii(table.squares, table.products, table.noise_squares, alpha_bar[found.index])
    time, clusters = grouped_mean(times[found.index].mean(axis=1), table.cluster, confidence)
    volume, _ = grouped_mean(log_ball_volume(radius, dimension).mean(axis=1), table.cluster, confidence)
    time = _within(time, 0, float(times[-1]))
    return BasinFinding(len(radius), clusters, time, volume, float(found.failed.mean()), float(found.open.mean()))


@dataclass(frozen=True)
class DimensionFinding:
    """Dimension of the data's manifold around one class, by both estimates."""

    n: int
    by_gap: Estimate
    by_threshold: Estimate


def dimension_finding(
    normalised: Float[np.ndarray, "n d"],
    cluster: Int64[np.ndarray, " n"],
    *,
    sigma: float,
    threshold: float,
    confidence: float,
) -> DimensionFinding:
    """Means over targets of the two estimates (``spectra``)."""
    gap, _ = grouped_mean(dimension_by_gap(normalised).astype(np.float64), cluster, confidence)
    below = dimension_by_threshold(normalised, sigma, threshold).astype(np.float64)
    counted, _ = grouped_mean(below, cluster, confidence)
    most = normalised.shape[1]
    return DimensionFinding(len(normalised), _within(gap, 0, most), _within(counted, 0, most))


def _within(estimate: Estimate, least: float, most: float) -> Estimate:
    """An interval cut to what is possible."""
    return Estimate(estimate.value, *(min(max(end, least), most) for end in (estimate.low, estimate.high)))


@dataclass(frozen=True)
class GapFinding:
    """Relative energy of one class against training points, for one reference (eq. 48)."""

    n: int
    gap: Estimate
    """The interval joins those of both means, in quadrature."""
    std: float
    """Standard deviation over the class."""


def gap_finding(
    energy: Float64[np.ndarray, " n"],
    cluster: Int64[np.ndarray, " n"],
    train: Float64[np.ndarray, " m"],
    *,
    is_train: bool,
    confidence: float,
) -> GapFinding:
    """Mean and spread of ``U - mean(U of training points)``; the mean is 0 for training points themselves."""
    own, _ = grouped_mean(energy, cluster, confidence)
    base, _ = grouped_mean(train, np.arange(len(train)), confidence)
    half = own.high - own.value if is_train else float(np.hypot(own.high - own.value, base.high - base.value))
    gap = own.value - base.value
    return GapFinding(len(energy), Estimate(gap, gap - half, gap + half), float(energy.std()))


def ordering(volumes: Mapping[str, Estimate], names: Sequence[str]) -> str:
    """Whether estimates fall in the order of ``names``: 'holds' with separate intervals, 'blurred', or 'fails'."""
    pairs = list(itertools.pairwise(names))
    if any(volumes[a].value <= volumes[b].value for a, b in pairs):
        return "fails"
    return "holds" if all(volumes[a].low > volumes[b].high for a, b in pairs) else "blurred"
