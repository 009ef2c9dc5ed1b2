"""Shares of a synthetic set of another size: rarefaction.

A sample is spurious where another sample is near. So the spurious share grows with the number of samples, and shares
can be compared only for sets of the same size, or of the same size in units of K. From a set of N samples, the share
that a set of n <= N samples would have is known on average. A sample with d neighbours has none among the n - 1 others
of a random subset with the probability

    C(N - 1 - d, n - 1) / C(N - 1, n - 1)

(Hurlbert 1971). The mean over all subsets is thus exact, and no subset has to be drawn. As a U-statistic it is unbiased
for the share of n fresh samples. Its variance comes from a jackknife that leaves out one random part at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy
from jaxtyping import Bool, Float64, Int64

from amdiff.errors import AmdiffError

from .intervals import Estimate, jackknife

MOST_PARTS = 100
"""Largest number of parts that the jackknife leaves out in turn."""


def parts_of(count: int) -> Int64[np.ndarray, " n"]:
    """Return the number of the part of each of ``count`` samples: parts are random, and of nearly the same size."""
    return np.random.default_rng(0).permutation(count) % min(MOST_PARTS, count)


def lone(neighbours: Int64[np.ndarray, "..."], count: int, size: int) -> Float64[np.ndarray, "..."]:
    """Return the probability that a sample has no neighbour in a random subset that it belongs to.

    ``neighbours`` is its number of neighbours in the whole set of ``count`` samples, and ``size`` is that of the
    subset. Raises ``ValueError`` unless 1 <= size <= count.
    """
    if not 1 <= size <= count:
        raise AmdiffError(f"expected a subset of 1 to {count} samples, got {size}")
    others, drawn = count - 1, size - 1
    left = others - neighbours
    possible = left >= drawn
    left = np.where(possible, left, drawn)
    gamma = scipy.special.gammaln
    log = gamma(left + 1.0) - gamma(left - drawn + 1.0) - gamma(others + 1.0) + gamma(others - drawn + 1.0)
    return np.where(possible, np.minimum(np.exp(log), 1.0), 0.0)  # rounding may go beyond 1


def recurrent_share(counted: Bool[np.ndarray, " n"], neighbours: Int64[np.ndarray, " n"], size: int) -> float:
    """Return the mean share of samples in a random subset that are ``counted`` and have a neighbour in the subset.

    ``neighbours`` (n,) are the numbers of neighbours in the whole set, ``size`` is the subset's size. With the samples
    that are not memorized as ``counted``, this is the spurious share of a set of ``size`` samples.
    """
    count = len(counted)
    return float((1 - lone(neighbours[counted], count, size)).sum() / count)


def recurrent_estimate(
    counted: Bool[np.ndarray, " n"],
    neighbours: Int64[np.ndarray, " n"],
    within_parts: Int64[np.ndarray, "n p"],
    parts: Int64[np.ndarray, " n"],
    size: int,
    confidence: float = 0.95,
) -> tuple[Estimate, Estimate]:
    """Return the shares of ``counted`` samples with and without a neighbour in a set of ``size`` samples.

    Parameters
    ----------
    counted
        Whether each sample counts, such as those that are not memorized, (n,).
    neighbours
        Number of neighbours of each sample in the whole set, (n,).
    within_parts
        The same for each part, (n, p), from ``RadiusCounts.within_parts``.
    parts
        Number of the part of each sample, (n,), from ``parts_of``.
    size
        Size of the set for which the shares are wanted.
    confidence
        Level of the intervals, between 0 and 1. Default 0.95.
    """
    count = len(counted)
    with_one, without = [], []
    for part in range(within_parts.shape[1]):
        kept = parts != part
        rest = int(kept.sum())
        alone = lone((neighbours - within_parts[:, part])[kept & counted], rest, min(size, rest))
        with_one.append(float((1 - alone).sum()) / rest)
        without.append(float(alone.sum()) / rest)
    share = recurrent_share(counted, neighbours, size)
    return (
        jackknife(share, np.array(with_one), confidence, count),
        jackknife(max(float(counted.mean()) - share, 0.0), np.array(without), confidence, count),
    )


def curve(
    counted: Bool[np.ndarray, " n"], neighbours: Int64[np.ndarray, " n"], further: Sequence[int] = ()
) -> dict[int, float]:
    """Return the recurrent share by the size of the set: for n, n / 2, n / 4, ... and the ``further`` sizes up to n."""
    count = len(counted)
    halves = [count >> i for i in range(count.bit_length()) if count >> i >= 8]
    return {
        n: recurrent_share(counted, neighbours, n)
        for n in sorted({*halves, count, *(f for f in further if f <= count)})
    }
