"""Summarize the stored tables of the analyses: one finding for each class, with intervals over its targets.

Samples of one attractor are nearly one measurement. Intervals therefore take the variance between attractors
(``grouped_mean``).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float64, Int64

from amdiff.phases.intervals import Estimate, grouped_mean

from .spectra import dimension_by_gap, dimension_by_threshold
from .volumes import critical_times, log_ball_volume, radii

Path = Literal["circular", "straight"]
PATHS: tuple[Path, ...] = get_args(Path)
"""The paths from a reference image along which relative energies are integrated."""


@dataclass(frozen=True)
class BasinTable:
    """Recovery distances of one class at one K, and the numbers from which ``volumes.radii`` computes radii."""

    cluster: Int64[np.ndarray, " n"]
    """Number of the attractor of each target."""
    distance: Float[np.ndarray, "n times copies"]
    """Distance of each target to its denoised copies; NaN where it was not computed."""
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
    paper_time: Estimate
    """Critical time by algorithm 1 with the published code: that before the search of a target stopped."""
    paper_volume: Estimate
    """Log-volume at that time."""
    median: float
    """Median log-volume of the copies. Unlike the mean it is right where less than half of them failed."""
    floor: float
    """Share of copies whose critical time is the first time of the search."""
    failed: float
    """Share of copies that were not recovered even at the first time, so that their critical time is an upper bound."""
    open: float
    """Share of targets whose search never stopped, so that their critical times are lower bounds."""


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
    """Average critical times and log-volumes (eq. 34) of one class, over copies and then over targets.

    Parameters
    ----------
    table
        Recovery distances of the class.
    times
        Indices of the noise levels that were searched, in increasing order.
    alpha_bar
        Share of the variance that is signal, at each of ``times``.
    dimension
        Number of values of one image.
    delta
        A copy is recovered where its distance is at most this; not above ``largest``.
    largest
        The threshold that the search used.
    probability
        A target stops where less than this share of its copies is recovered.
    confidence
        Level of the intervals, between 0 and 1.
    """
    found = critical_times(table.distance, delta, probability, largest)

    def means(index: Int64[np.ndarray, "n copies"]) -> tuple[Estimate, Estimate, Float64[np.ndarray, "n copies"]]:
        radius = radii(table.squares, table.products, table.noise_squares, alpha_bar[index])
        volumes = log_ball_volume(radius, dimension)
        time, _ = grouped_mean(times[index].mean(axis=1), table.cluster, confidence)
        volume, _ = grouped_mean(volumes.mean(axis=1), table.cluster, confidence)
        return _within(time, 0, float(times[-1])), volume, volumes

    time, volume, volumes = means(found.index)
    paper_time, paper_volume, _ = means(np.repeat(found.before_stop[:, None], found.index.shape[1], axis=1))
    return BasinFinding(
        n=len(volumes),
        clusters=len(np.unique(table.cluster)),
        critical_time=time,
        log_volume=volume,
        paper_time=paper_time,
        paper_volume=paper_volume,
        median=float(np.median(volumes)),
        floor=float(found.floor.mean()),
        failed=float(found.failed.mean()),
        open=float(found.open.mean()),
    )


RESOLVED = 0.9
"""A noise level is resolved where nine tenths of the targets contract at least so much; 1 is full contraction."""


@dataclass(frozen=True)
class DimensionFinding:
    """Estimates of the dimension of the data's manifold around one class: by the largest gap, and by a threshold."""

    n: int
    by_gap: Estimate
    by_threshold: Estimate
    contraction: float | None
    """Mean contraction along directions in which the data do not vary; None where no such direction is known."""
    contraction_low: float | None
    """The contraction that nine tenths of the targets reach."""

    @property
    def resolved(self) -> bool:
        """Whether the model resolves the noise level, so that the dimension can be told there."""
        return self.contraction_low is not None and self.contraction_low >= RESOLVED


def dimension_finding(
    normalised: Float[np.ndarray, "n d"],
    cluster: Int64[np.ndarray, " n"],
    *,
    sigma: float,
    threshold: float,
    confidence: float,
    contraction: Float64[np.ndarray, " n"] | None = None,
) -> DimensionFinding:
    """Average both estimates of the dimension over targets (see ``spectra``).

    Parameters
    ----------
    normalised
        Normalised singular values (n, d) of each target, in decreasing order.
    cluster
        Number of the attractor of each target (n,).
    sigma
        Standard deviation of the noise at the time of the spectra.
    threshold
        Threshold of ``dimension_by_threshold``, between 0 and 1.
    confidence
        Level of the intervals, between 0 and 1.
    contraction
        Contraction of each target along directions in which the data do not vary (n,), see ``resolution``. Default
        None: there is no such direction.
    """
    gap, _ = grouped_mean(dimension_by_gap(normalised).astype(np.float64), cluster, confidence)
    below = dimension_by_threshold(normalised, sigma, threshold).astype(np.float64)
    counted, _ = grouped_mean(below, cluster, confidence)
    most = normalised.shape[1]
    told = (None, None) if contraction is None else (float(contraction.mean()), float(np.quantile(contraction, 0.1)))
    return DimensionFinding(len(normalised), _within(gap, 0, most), _within(counted, 0, most), *told)


def _within(estimate: Estimate, least: float, most: float) -> Estimate:
    """Clip an interval to the possible values, ``least`` to ``most``."""
    return Estimate(estimate.value, *(min(max(end, least), most) for end in (estimate.low, estimate.high)))


@dataclass(frozen=True)
class GapFinding:
    """Energy gap of one class: its relative energy less that of training points, for one reference (eq. 48)."""

    n: int
    gap: Estimate
    """Mean gap. Its interval adds the errors of both means in quadrature."""
    std: float
    """Standard deviation of the energy over the class."""
    change: float = 0.0
    """What the gap changes by with every second point of the paths."""


def gap_finding(
    energy: Float64[np.ndarray, " n"],
    cluster: Int64[np.ndarray, " n"],
    train: Float64[np.ndarray, " m"],
    *,
    is_train: bool,
    confidence: float,
    change: float = 0.0,
) -> GapFinding:
    """Return the mean and standard deviation of ``U - mean(U of training points)`` over one class.

    Parameters
    ----------
    energy
        Relative energy U of each target of the class (n,).
    cluster
        Number of the attractor of each target (n,).
    train
        Relative energy of training points (m,), for the same reference.
    is_train
        Whether the class is the training points themselves. The gap is then 0.
    confidence
        Level of the interval, between 0 and 1.
    change
        What the gap changes by with every second point of the paths. Default 0.
    """
    own, _ = grouped_mean(energy, cluster, confidence)
    base, _ = grouped_mean(train, np.arange(len(train)), confidence)
    half = own.high - own.value if is_train else float(np.hypot(own.high - own.value, base.high - base.value))
    gap = own.value - base.value
    return GapFinding(len(energy), Estimate(gap, gap - half, gap + half), float(energy.std()), change)


def ordering(volumes: Mapping[str, Estimate], names: Sequence[str]) -> str:
    """Tell whether the estimates decrease in the order of ``names``.

    Returns 'holds' where they do and the intervals of neighbours are separate, 'blurred' where they do but some
    intervals overlap, and 'fails' where they do not.
    """
    pairs = list(itertools.pairwise(names))
    if any(volumes[a].value <= volumes[b].value for a, b in pairs):
        return "fails"
    return "holds" if all(volumes[a].low > volumes[b].high for a, b in pairs) else "blurred"
