"""Intervals: known values, and coverage of planted truths."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from amdiff.phases.classes import classify, fractions
from amdiff.phases.intervals import grouped_mean, jackknife, wilson


def test_wilson_is_the_root_of_the_score_equation() -> None:
    z = NormalDist().inv_cdf(0.975)
    estimate = wilson(0.3, 50)
    for bound in estimate[1:]:
        assert abs(0.3 - bound) == pytest.approx(z * (bound * (1 - bound) / 50) ** 0.5)
    assert wilson(0.0, 50).low == 0
    assert wilson(0.0, 50).high == pytest.approx(z * z / (50 + z * z))
    assert wilson(1.0, 50).high == 1
    with pytest.raises(ValueError, match="at least one trial"):
        wilson(0.5, 0)


def test_a_jackknife_of_independent_samples_is_wilson() -> None:
    flags = np.arange(200) < 60
    leave_one_out = (60 - flags) / 199
    assert jackknife(0.3, leave_one_out) == pytest.approx(wilson(0.3, 200), rel=0.01)


def planted_set(
    rng: np.random.Generator, n: int, states: int, share: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n samples of a model: with probability ``share`` one of ``states`` spurious states, else a novel image.

    Returns distances to S and the table of S' in itself (two neighbours).
    """
    state = np.where(rng.random(n) < share, rng.integers(0, states, n), -1)
    index, distance = np.zeros((n, 2), np.int64), np.full((n, 2), 9.0)
    for i in range(n):
        others = np.flatnonzero((state == state[i]) & (np.arange(n) != i)) if state[i] >= 0 else np.empty(0, int)
        index[i, : len(others[:2])] = others[:2]
        distance[i, : len(others[:2])] = 0.1
    return np.full(n, 9.0), index, distance


@pytest.mark.parametrize(("share", "widest"), [(0.6, 0.24), (0.09, 0.08)])
def test_intervals_cover_the_expected_fractions(share: float, widest: float) -> None:
    """Coverage over repetitions with the truth known: the expectation of each fraction at this n.

    The second planting has two or three pairs only.
    """
    n, states, trials = 240, 150, 400
    p = share / states
    truth = share * (1 - (1 - p) ** (n - 1))  # a visitor is spurious if another came to its state
    rng = np.random.default_rng(5)
    covered, widths = [], []
    for _ in range(trials):
        to_train, index, distance = planted_set(rng, n, states, share)
        classes = classify(to_train, distance[:, 0], 0.5, 0.5)
        found = fractions(classes, index, distance, 0.5)
        covered.append(
            [
                found.spurious.low <= truth <= found.spurious.high,
                found.generalized.low <= 1 - truth <= found.generalized.high,
            ]
        )
        widths.append(found.spurious.high - found.spurious.low)
    assert np.mean(covered, axis=0).min() >= 0.92
    # and not wider than needed: the spread of the estimates themselves asks for about this
    assert np.mean(widths) < widest


def test_intervals_cover_planted_audits() -> None:
    """30 % copies, 20 % visits to one of 20 states, 50 % new, each sample's class drawn at random."""
    n, states, trials = 400, 20, 1000
    spurious = 0.2 * (1 - (1 - 0.2 / states) ** (n - 1))  # a visitor whose state another one came to
    truth = np.array([0.3, spurious, 0.7 - spurious])
    rng = np.random.default_rng(11)
    covered = np.zeros(3)
    for _ in range(trials):
        planted = rng.choice(3, n, p=[0.3, 0.2, 0.5])
        state = np.where(planted == 1, rng.integers(0, states, n), -1)
        index, distance = np.zeros((n, 2), np.int64), np.full((n, 2), 9.0)
        for visited in range(states):
            visits = np.flatnonzero(state == visited)
            for turn in range(1, min(3, len(visits))):
                index[visits, turn - 1], distance[visits, turn - 1] = np.roll(visits, turn), 0.1
        classes = classify(np.where(planted == 0, 0.1, 9.0), distance[:, 0], 0.5, 0.5)
        found = fractions(classes, index, distance, 0.5)
        covered += [
            e.low <= t <= e.high
            for e, t in zip((found.memorized, found.spurious, found.generalized), truth, strict=True)
        ]
    assert (covered / trials).min() >= 0.92
    assert (covered / trials).max() <= 0.99  # and they are no wider than needed


def test_fractions_sum_to_one_and_lie_in_their_intervals(rng: np.random.Generator) -> None:
    _, index, distance = planted_set(rng, 100, 20, 0.5)
    to_train = np.where(rng.random(100) < 0.3, 0.1, 9.0)
    found = fractions(classify(to_train, distance[:, 0], 0.5, 0.5), index, distance, 0.5)
    assert found.memorized.value + found.spurious.value + found.generalized.value == pytest.approx(1, abs=1e-15)
    for name in ("memorized", "spurious", "generalized"):
        assert 0 <= found[name].low <= found[name].value <= found[name].high <= 1


def test_a_grouped_mean_of_singles_is_students(rng: np.random.Generator) -> None:
    values = rng.normal(size=12)
    found, groups = grouped_mean(values, np.arange(12))
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert found == pytest.approx((values.mean(), low, high))
    assert groups == 12


def test_copies_of_one_value_count_once(rng: np.random.Generator) -> None:
    values = rng.normal(size=6)
    once, _ = grouped_mean(values, np.arange(6))
    often, groups = grouped_mean(values.repeat(50), np.arange(6).repeat(50))
    assert often == pytest.approx(once)
    assert groups == 6


@pytest.mark.parametrize("sizes", [[1, 8, 3, 5, 2] * 5, [100, 5, 5, 5, 5], [200, *[3] * 7]])
def test_a_grouped_mean_covers(sizes: list[int], rng: np.random.Generator) -> None:
    """Groups alike within, also where one of them is most of the values: 95 % nominal."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    hits = 0
    for _ in range(1000):
        values = 3 + rng.normal(size=len(sizes))[group] + 0.3 * rng.normal(size=len(group))
        found, _ = grouped_mean(values, group)
        hits += found.low <= 3 <= found.high
    assert hits / 1000 >= (0.92 if max(sizes) < 10 else 0.86)


def test_one_group_tells_no_interval() -> None:
    found, groups = grouped_mean(np.array([1.0, 2.0]), np.zeros(2, np.int64))
    assert (found.value, groups) == (1.5, 1)
    assert np.isnan(found.low)
    with pytest.raises(ValueError, match="at least one value"):
        grouped_mean(np.zeros(0), np.zeros(0, np.int64))
