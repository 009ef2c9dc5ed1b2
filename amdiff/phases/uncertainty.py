"""Add the errors of the thresholds to the confidence intervals of shares.

For given thresholds a share has the interval of ``intervals``. But thresholds are estimates, and other thresholds sort
the same samples differently. The bootstrap interval of each threshold thus gives a further interval of the share.
Independent errors are added in squares, separately on each side (Zou and Donner 2008, "MOVER"). Let p be the share, l
and u its limits for given thresholds, and l_t and u_t the lower and higher share at the ends of the interval of each
threshold t. The limits are then

    p - sqrt((p - l)^2 + sum_t (p - l_t)^2)    and    p + sqrt((u - p)^2 + sum_t (u_t - p)^2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64

from .classes import CLASSES, Fractions, classify
from .distances import Pair, Threshold
from .intervals import Estimate


def positive(threshold: float) -> float:
    """Return a threshold that is above 0, since a range may begin at 0. Only equal images are near at the smallest."""
    return max(threshold, np.finfo(float).tiny)


def fold(given: Estimate, share: Callable[[Sequence[float]], float], thresholds: Sequence[Threshold]) -> Estimate:
    """Add the thresholds' errors to the interval of a share.

    ``given`` is the share with its interval for given thresholds. ``share`` returns the share for any values of
    ``thresholds``.
    """
    below, above = (given.value - given.low) ** 2, (given.high - given.value) ** 2
    values = [t.value for t in thresholds]
    for place, threshold in enumerate(thresholds):
        ends = [
            share([*values[:place], positive(end), *values[place + 1 :]]) for end in (threshold.low, threshold.high)
        ]
        below += max(given.value - min(ends), 0.0) ** 2
        above += max(max(ends) - given.value, 0.0) ** 2
    return Estimate(given.value, max(given.value - below**0.5, 0.0), min(given.value + above**0.5, 1.0))


def fold_fractions(
    given: Fractions, to_train: Float64[np.ndarray, " n"], to_samples: Float64[np.ndarray, " n"], pair: Pair
) -> Fractions:
    """Add the errors of both thresholds to the intervals of the three shares (Zou and Donner 2008).

    ``given`` are the shares with intervals for given thresholds, from ``fractions``. ``to_train`` and ``to_samples``
    are each sample's distances to the nearest training image and to the nearest other sample. ``pair`` holds the
    thresholds with their bootstrap intervals.
    """

    def of(which: int) -> Callable[[Sequence[float]], float]:
        return lambda deltas: float((classify(to_train, to_samples, *deltas) == which).mean())

    both = (pair.delta_m, pair.delta_s)
    return Fractions(*(fold(given[name], of(which), both) for which, name in enumerate(CLASSES)))
