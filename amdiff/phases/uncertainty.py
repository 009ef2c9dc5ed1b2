"""Shares whose thresholds are themselves estimated: what the error of a threshold adds to their intervals.

Given the thresholds a share has an interval of its own (``intervals``). A threshold of another value sorts the same
samples otherwise, so its bootstrap interval becomes an interval of the share. Independent errors add in squares, on
each side for itself (Zou and Donner 2008, "MOVER"): with the estimate p, its own limits l and u, and the shares l_t and
u_t at the ends of the interval of each threshold t, the limits are

    p - sqrt((p - l)^2 + sum_t (p - l_t)^2)    and    p + sqrt((u - p)^2 + sum_t (u_t - p)^2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64

from .classes import CLASSES, Fractions, classify
from .distances import Pair, Threshold
from .intervals import Estimate

_LEAST = np.finfo(float).tiny


def fold(given: Estimate, share: Callable[[Sequence[float]], float], thresholds: Sequence[Threshold]) -> Estimate:
    """The interval of a share with the thresholds' errors in it.

    ``given`` is the share with its interval at the thresholds' values, ``share`` the share at other values of them.
    """
    below, above = (given.value - given.low) ** 2, (given.high - given.value) ** 2
    values = [t.value for t in thresholds]
    for place, threshold in enumerate(thresholds):
        # an interval may begin at 0, where only what is equal is near
        ends = [
            share([*values[:place], max(end, _LEAST), *values[place + 1 :]]) for end in (threshold.low, threshold.high)
        ]
        below += max(given.value - min(ends), 0.0) ** 2
        above += max(max(ends) - given.value, 0.0) ** 2
    return Estimate(given.value, max(given.value - below**0.5, 0.0), min(given.value + above**0.5, 1.0))


def fold_fractions(
    given: Fractions, to_train: Float64[np.ndarray, " n"], to_samples: Float64[np.ndarray, " n"], pair: Pair
) -> Fractions:
    """Fractions with the errors of both thresholds in their intervals, from each sample's nearest distances."""

    def of(which: int) -> Callable[[Sequence[float]], float]:
        return lambda deltas: float((classify(to_train, to_samples, *deltas) == which).mean())

    both = (pair.delta_m, pair.delta_s)
    return Fractions(*(fold(given[name], of(which), both) for which, name in enumerate(CLASSES)))
