"""Phases over training time: when a model begins to memorize, and when its spurious samples come and go.

Bonnaire et al. (2025) find that memorization begins after a number of steps ``tau_mem`` that grows in proportion to K,
so curves of different K fall together against steps / K. Here tau_mem is where the memorized share itself crosses 1 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float

from .intervals import Estimate

MEMORIZES = 0.01
"""Memorized share at which memorization has begun."""


@dataclass(frozen=True)
class Crossing:
    """The step at which a rising share crosses a level."""

    value: float | None
    """The step, interpolated in its logarithm; None where the share does not cross the level."""
    low: float | None
    """Where the upper limit of the share crosses. None where it is above the level from the first step on."""
    high: float | None
    """Where the lower limit of the share crosses. None where it never does."""
    censored: str
    """Where the crossing is, if it was not seen: 'before' the first step or 'after' the last one; else empty."""


def crossing(steps: Sequence[int], shares: Sequence[Estimate], level: float = MEMORIZES) -> Crossing:
    """Find the first step at which a share reaches a level, interpolated in log step.

    ``steps`` are increasing, and ``shares`` are those at each step with their intervals.
    """
    value, low, high = (_first(steps, [getattr(s, end) for s in shares], level) for end in ("value", "high", "low"))
    censored = ""
    if value is None:
        censored = "before" if shares[0].value >= level else "after"
    return Crossing(value, low, high, censored)


def _first(steps: Sequence[int], values: Sequence[float], level: float) -> float | None:
    above = [v >= level for v in values]
    if above[0] or not any(above):
        return None
    i = above.index(True)
    part = (level - values[i - 1]) / (values[i] - values[i - 1])
    return float(np.exp(np.log(steps[i - 1]) + part * (np.log(steps[i]) - np.log(steps[i - 1]))))


def window(steps: Sequence[int], shares: Sequence[float]) -> tuple[int, int] | None:
    """Return the first and the last step at which a share exceeds half of its largest value; None where it is 0.

    The steps are those that were looked at, without interpolation.
    """
    largest = max(shares)
    if not largest > 0:
        return None
    inside = [step for step, share in zip(steps, shares, strict=True) if share > largest / 2]
    return inside[0], inside[-1]


def slope(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], confidence: float = 0.95) -> Estimate | None:
    """Return the slope of a least-squares line with Student's interval.

    It is None for fewer than three points, and for values that are all equal.
    """
    n = len(x)
    if n < 3:
        return None
    fit = scipy.stats.linregress(x, y)
    if not np.isfinite(fit.stderr):  # equal values say nothing of their errors
        return None
    half = float(scipy.special.stdtrit(n - 2, 0.5 + confidence / 2) * fit.stderr)
    return Estimate(float(fit.slope), float(fit.slope) - half, float(fit.slope) + half)
