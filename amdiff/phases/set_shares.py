"""Shares of the classes in a synthetic set of a given size, from a set that may be larger.

The class of a sample is that in the whole set. The shares are those that a set of n samples would have (see
``rarefaction``), so that shares of different K can be compared at the same n / K.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from amdiff.neighbors.radius import RadiusCounts

from .classes import Fractions
from .distances import Pair
from .intervals import Estimate, wilson
from .rarefaction import recurrent_estimate, recurrent_share
from .uncertainty import fold, positive


@dataclass(frozen=True)
class SetShares:
    """Shares of the classes in a set of ``size`` samples."""

    size: int
    """Number n of samples of the set that the shares are for."""
    fractions: Fractions
    """The shares. Their intervals include the errors of the thresholds."""
    given: Fractions
    """The shares. Their intervals take the thresholds as known."""
    near: Estimate | None
    """Share of the samples that are spurious near copies. None where near copies are not known."""
    new: Estimate | None
    """Share of the samples that are spurious, and no near copies. None where near copies are not known."""
    left_out: dict[int, float]
    """Spurious share at the thresholds that are found with one K of the sweep left out, by that K."""


def left_out_thresholds(pair: Pair) -> dict[int, tuple[float, float]]:
    """Return delta_m and delta_s that are found with one K left out, by that K.

    K that leave no valley, or one outside the range of the threshold, are left out. Where only one of the thresholds is
    that of a valley, the other one stays.
    """
    both = (
        {one.size: one.without if t.low <= (one.without or 0) <= t.high else None for one in t.sizes}
        for t in (pair.delta_m, pair.delta_s)
    )
    m, s = both
    found = ((k, m.get(k, pair.delta_m.value), s.get(k, pair.delta_s.value)) for k in sorted({*m, *s}))
    return {k: (a, b) for k, a, b in found if a is not None and b is not None}


def radii_for(pair: Pair, count: int, size: int) -> tuple[float, ...]:
    """Return the radii within which neighbours are counted: delta_s and, for a smaller set, all its other values."""
    delta = pair.delta_s
    if size == count:
        return (delta.value,)
    others = {positive(delta.low), positive(delta.high), *(s for _, s in left_out_thresholds(pair).values())}
    return (delta.value, *sorted(others))


def set_shares(
    whole: Fractions,
    to_train: Float64[np.ndarray, " n"],
    to_samples: Float64[np.ndarray, " n"],
    counts: RadiusCounts,
    pair: Pair,
    size: int,
    near: Bool[np.ndarray, " n"] | None = None,
    confidence: float = 0.95,
) -> SetShares:
    """Return the shares of a set of ``size`` samples.

    Parameters
    ----------
    whole
        Shares of the whole set for given thresholds, from ``fractions``. They are the result where ``size`` is n.
    to_train, to_samples
        Distances of each sample to the nearest training image and to the nearest other sample, (n,).
    counts
        Neighbours of each sample within the radii of ``radii_for``, also by part.
    pair
        The thresholds with their ranges.
    size
        Number of samples of the set, at most n.
    near
        Whether each sample is a near copy, (n,). Default None: this is not known.
    confidence
        Level of the intervals, between 0 and 1. Default 0.95.
    """
    count = len(to_train)
    own, split = counts.within(pair.delta_s.value), counts.within_parts()
    both = (pair.delta_m, pair.delta_s)

    def estimates(among: Bool[np.ndarray, " n"]) -> tuple[Estimate, Estimate]:
        counted = (to_train > pair.delta_m.value) & among
        return recurrent_estimate(counted, own, split, counts.parts_given, size, confidence)

    def share(among: Bool[np.ndarray, " n"], recurrent: bool) -> Callable[[Sequence[float]], float]:
        def of(deltas: Sequence[float]) -> float:
            counted = (to_train > deltas[0]) & among
            if size == count:
                return float((counted & ((to_samples <= deltas[1]) == recurrent)).mean())
            found = recurrent_share(counted, counts.within(deltas[1]), size)
            return found if recurrent else max(float(counted.mean()) - found, 0.0)

        return of

    every = np.ones(count, bool)
    given = whole
    if size < count:
        given = Fractions(wilson(whole.memorized.value, count, confidence), *estimates(every))
    folded = Fractions(
        fold(given.memorized, lambda deltas: float((to_train <= deltas[0]).mean()), both),
        fold(given.spurious, share(every, True), both),
        fold(given.generalized, share(every, False), both),
    )
    left_out = {k: share(every, True)(deltas) for k, deltas in left_out_thresholds(pair).items()}
    if near is None:
        return SetShares(size, folded, given, None, None, left_out)
    near_share, new_share = (fold(estimates(among)[0], share(among, True), both) for among in (near, ~near))
    return SetShares(size, folded, given, near_share, new_share, left_out)
