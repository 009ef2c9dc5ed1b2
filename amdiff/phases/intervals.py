"""Confidence intervals for shares of a synthetic set, and for means over targets.

Given the model, samples are independent, so the number of memorized samples is binomial. The spurious and generalized
shares are not binomial: a sample is spurious because another one is near, so removing a sample may change the class of
its neighbour. These two shares have a leave-one-out jackknife. Its variance gives an effective number of samples for
Wilson's interval. The interval then stays within [0, 1], and has a positive length at 0 and 1. The jackknife's variance
is never too small on average (Efron and Stein 1981). Where most spurious samples come in pairs, it is up to twice too
large, and the interval up to 1.4 times too wide.

Several samples of one attractor are nearly one measurement. Means over targets therefore take their variance between
groups.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float, Float64, Int

from amdiff.errors import AmdiffError


class Estimate(NamedTuple):
    """A value and the lower and upper end of its confidence interval."""

    value: float
    low: float
    high: float


def wilson(share: float, count: float, confidence: float = 0.95) -> Estimate:
    """Return Wilson's score interval (1927) for a ``share``, between 0 and 1, of ``count`` independent trials.

    ``count`` may be an effective number that is not whole. ``confidence`` is the interval's level, between 0 and 1.
    Raises ``ValueError`` unless ``count`` is positive.
    """
    if count <= 0:
        raise AmdiffError(f"a share needs at least one trial, got {count}")
    z = float(scipy.special.ndtri(0.5 + confidence / 2))
    scale = 1 + z * z / count
    centre = (share + z * z / (2 * count)) / scale
    half = z / scale * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Estimate(share, float(max(min(centre - half, share), 0.0)), float(min(max(centre + half, share), 1.0)))


def jackknife(
    share: float, left_out: Float64[np.ndarray, " g"], confidence: float = 0.95, samples: int | None = None
) -> Estimate:
    """Return the interval of a share from the shares that are found when each sample in turn is left out.

    Wilson's interval is taken with an effective number of samples, ``share (1 - share) / variance``, at most their
    number n. This cannot be used where the variance is 0 or the share is 0 or 1. The effective number is then n / 2,
    since spurious samples come at least in pairs.

    ``left_out`` (g,) may also be the shares with each of g parts of equal size left out; ``samples`` is then n. Default
    None: n is g.
    """
    g = len(left_out)
    n = samples or g
    variance = (g - 1) / g * float(np.square(left_out - left_out.mean()).sum())
    count = n / 2 if variance == 0 or share in (0.0, 1.0) else min(share * (1 - share) / variance, n)
    return wilson(share, count, confidence)


def grouped_mean(
    values: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"], confidence: float = 0.95
) -> tuple[Estimate, int]:
    """Return the mean of values that are similar within groups, with Student's interval, and the number of groups.

    ``groups`` (n,) is the number of each value's group, such as the attractor of a sample. The variance comes from a
    jackknife that leaves out one group at a time. It is valid for groups of different sizes; with one value in each
    group it is the usual variance of a mean. With only one group, the ends of the interval are NaN.
    Raises ``ValueError`` where there are no values.
    """
    if len(values) == 0:
        raise AmdiffError("a mean needs at least one value, got none")
    mean = float(values.mean(dtype=np.float64))
    _, member = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(member, weights=values), np.bincount(member)
    count = len(sums)
    if count < 2:
        return Estimate(mean, np.nan, np.nan), count
    without = (sums.sum() - sums) / (len(values) - sizes)
    error = float(np.sqrt((count - 1) / count * np.square(without - mean).sum()))
    half = float(scipy.special.stdtrit(count - 1, 0.5 + confidence / 2)) * error
    return Estimate(mean, mean - half, mean + half), count
