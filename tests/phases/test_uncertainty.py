"""Intervals of shares whose thresholds are estimated."""

from __future__ import annotations

import numpy as np
import pytest

from amdiff.phases import Estimate, Pair, Threshold, classify, fold_fractions, fractions
from amdiff.phases.uncertainty import fold


def threshold(value: float, low: float, high: float) -> Threshold:
    return Threshold(value, low, high, "valley")


def test_a_known_threshold_adds_nothing() -> None:
    given = Estimate(0.3, 0.25, 0.36)
    assert fold(given, lambda _: 0.3, [threshold(1, 1, 1)]) == pytest.approx(given)


def test_errors_add_in_squares_on_each_side() -> None:
    """Shares that are linear in the threshold; a second threshold may lower the share."""
    given = Estimate(0.3, 0.26, 0.34)
    once = fold(given, lambda d: 0.3 + 0.1 * (d[0] - 1), [threshold(1, 0.7, 1.5)])
    assert once == pytest.approx((0.3, 0.3 - np.hypot(0.04, 0.03), 0.3 + np.hypot(0.04, 0.05)))
    both = [threshold(1, 0.7, 1.5), threshold(1, 0, 1.2)]
    twice = fold(given, lambda d: 0.3 + 0.1 * (d[0] - 1) - 0.1 * (d[1] - 1), both)
    assert twice.low == pytest.approx(0.3 - (0.04**2 + 0.03**2 + 0.02**2) ** 0.5)
    assert twice.high == pytest.approx(0.3 + (0.04**2 + 0.05**2 + 0.1**2) ** 0.5)


def test_a_threshold_that_may_lie_anywhere_leaves_the_share_open(rng: np.random.Generator) -> None:
    """An interval of [0, 17.8] around 2.5 is no ground for one of [8.5 %, 15.8 %]: at its upper end it is 40 %."""
    n = 300
    to_train = rng.choice([1.0, 10.0, 30.0], n, p=[0.12, 0.28, 0.6])
    to_samples = np.full(n, 50.0)
    pair = Pair(threshold(2.472, 0, 17.83), threshold(5, 5, 5))
    given = fractions(classify(to_train, to_samples, 2.472, 5), np.zeros((n, 2), np.int64), np.full((n, 2), 50.0), 5)
    found = fold_fractions(given, to_train, to_samples, pair)
    at_the_end = float((to_train <= 17.83).mean())
    assert found.memorized.value == given.memorized.value
    assert found.memorized.high > at_the_end
    assert found.memorized.low < 0.01
    assert found.generalized.low < 1 - at_the_end
    assert found.spurious.high == given.spurious.high
    assert all(0 <= e.low <= e.value <= e.high <= 1 for e in (found.memorized, found.spurious, found.generalized))
