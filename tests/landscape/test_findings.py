"""Rows of tables from stored tables: gaps, and the order of the classes."""

from __future__ import annotations

import numpy as np
import pytest

from amdiff.landscape.findings import gap_finding, ordering
from amdiff.phases.intervals import Estimate


def test_a_gap_is_the_difference_of_means_with_both_errors(rng: np.random.Generator) -> None:
    train, own = rng.normal(5, 1, 40), rng.normal(4, 2, 60)
    found = gap_finding(own, np.arange(60), train, is_train=False, confidence=0.95)
    assert found.gap.value == pytest.approx(own.mean() - train.mean())
    assert found.std == pytest.approx(own.std())
    half = np.hypot(2.001 * own.std(ddof=1) / 60**0.5, 2.023 * train.std(ddof=1) / 40**0.5)
    assert found.gap.high - found.gap.value == pytest.approx(half, rel=1e-3)


def test_training_points_have_no_gap(rng: np.random.Generator) -> None:
    train = rng.normal(size=30)
    assert gap_finding(train, np.arange(30), train, is_train=True, confidence=0.95).gap.value == 0


@pytest.mark.parametrize(
    ("spurious", "verdict"), [((0, -1, 1), "holds"), ((0, -3, 3), "blurred"), ((6, 5, 7), "fails")]
)
def test_an_order_needs_separate_intervals(spurious: tuple[float, float, float], verdict: str) -> None:
    volumes = {"memorized": Estimate(5, 4, 6), "spurious": Estimate(*spurious), "generalized": Estimate(-5, -6, -2)}
    assert ordering(volumes, ("memorized", "spurious", "generalized")) == verdict
