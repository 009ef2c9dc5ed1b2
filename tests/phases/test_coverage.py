"""The short form of ``benchmarks/coverage.py``: intervals hold planted truths, and are not much wider than needed."""

from __future__ import annotations

import pytest

from benchmarks.coverage import PLANTINGS, Planting, at_quantile, coverage, heldout_rate, second_modes


@pytest.mark.full
@pytest.mark.parametrize("planting", PLANTINGS, ids=lambda planting: planting.__name__)
def test_intervals_hold_random_truths(planting: Planting) -> None:
    for one in coverage(planting, truths=10, each=20, seed=0):
        if "taken for known" in one.name:  # there to compare with
            continue
        assert one.covered >= 0.89, one  # 95 % nominal, 92 % at the least; of 200 repetitions
        assert one.width <= 1.6, one


def test_a_threshold_that_is_estimated_is_not_known() -> None:
    """At a quantile of few real images the interval of a share is much too narrow without the threshold's error."""
    found = {one.name: one.covered for one in coverage(at_quantile, truths=10, each=20, seed=0)}
    assert found["the same, threshold taken for known, at a quantile"] < 0.8 < found["memorized share at a quantile"]


@pytest.mark.parametrize("quantile", [0.005, 0.02, 0.1])
def test_heldout_thresholds_flag_as_many_as_they_say(quantile: float) -> None:
    rate, low, high = heldout_rate(quantile, trials=200, seed=3)
    assert low <= rate <= high


def test_valleys_are_found_where_they_are() -> None:
    with_two, with_one = second_modes(trials=60, seed=4)
    assert with_two >= 0.95
    assert with_one <= 0.02
