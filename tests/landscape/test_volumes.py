"""Critical times from tables written by hand, and volumes against school formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amdiff.landscape.volumes import critical_times, log_ball_volume, radii

NAN = np.nan


def table(*copies: list[float]) -> np.ndarray:
    """One target; a list of distances over time for each copy."""
    return np.array(copies, np.float32).T[None]


def test_balls_of_one_two_and_three_dimensions() -> None:
    r = np.array([0.3, 1.0, 2.5])
    for d, volume in ((1, 2 * r), (2, np.pi * r**2), (3, 4 / 3 * np.pi * r**3)):
        assert np.allclose(log_ball_volume(r, d), np.log(volume), rtol=1e-13)
    assert log_ball_volume(np.array([0.0]), 2)[0] == -np.inf


def test_image_sized_balls_do_not_overflow() -> None:
    found = log_ball_volume(np.array([30.0]), 784)[0]
    stirling = (
        392 * math.log(math.pi) + 784 * math.log(30) - (392 * math.log(392) - 392 + 0.5 * math.log(2 * math.pi * 392))
    )
    assert found == pytest.approx(stirling, abs=1e-3)
    assert np.isfinite(log_ball_volume(np.array([1e-3, 1e5]), 3 * 512 * 512)).all()


def test_a_copys_critical_time_is_the_last_one_before_its_first_failure() -> None:
    # ten copies: one fails early and comes back, two fail at the fourth time, which stops the target
    good = [[0.1, 0.1, 0.1, 0.1, NAN]] * 7
    found = critical_times(
        table([0.1, 0.9, 0.1, 0.1, NAN], [0.1, 0.1, 0.1, 0.9, NAN], [0.1, 0.1, 0.1, 0.9, NAN], *good), 0.5, 0.9, 0.5
    )
    assert found.index[0].tolist() == [0, 2, 2, *[3] * 7]
    assert found.before_stop.tolist() == [2]  # algorithm 1 with the published code: the time before the stop
    assert found.floor[0].tolist() == [True] + [False] * 9
    assert not found.failed.any()
    assert not found.open.any()


def test_a_copy_that_fails_at_once_is_flagged() -> None:
    found = critical_times(table(*[[0.9, NAN]] * 2, *[[0.1, NAN]] * 8), 0.5, 0.9, 0.5)
    assert found.failed[0].tolist() == [True] * 2 + [False] * 8
    assert (found.index == 0).all()


def test_a_target_that_never_stops_is_open() -> None:
    found = critical_times(table(*[[0.1, 0.1, 0.1]] * 4), 0.5, 0.9, 0.5)
    assert found.open.all()
    assert (found.index == 2).all()


def test_one_table_serves_every_smaller_threshold(rng: np.random.Generator) -> None:
    steps = rng.exponential(0.1, (30, 12, 10)).cumsum(axis=1).astype(np.float32)
    whole = steps.copy()
    share = (steps <= 0.8).mean(axis=2)
    for target, stop in enumerate((share < 0.9).argmax(axis=1)):
        steps[target, stop + 1 :] = NAN
    for delta in (0.2, 0.5, 0.8):
        short, full = critical_times(steps, delta, 0.9, 0.8), critical_times(whole, delta, 0.9, 1.0)
        assert (short.index == full.index).all()
        assert (short.failed == full.failed).all()
    with pytest.raises(ValueError, match=r"delta = 0\.9 is larger than 0\.8, the threshold of the search; search"):
        critical_times(steps, 0.9, 0.9, 0.8)


def test_times_a_bisection_left_out_are_as_the_next_one() -> None:
    found = critical_times(table(*[[NAN, 0.1, NAN, 0.1, 0.9, NAN]] * 3), 0.5, 0.9, 0.5)
    assert (found.index == 3).all()
    assert not found.open.any()


def test_radii_are_the_distances_of_noisy_copies(rng: np.random.Generator) -> None:
    x, n = rng.normal(size=(4, 6)), rng.normal(size=(4, 3, 6))
    ab = rng.uniform(0.01, 0.99, (4, 3))
    noisy = np.sqrt(ab)[..., None] * x[:, None] + np.sqrt(1 - ab)[..., None] * n
    found = radii((x**2).sum(1), (x[:, None] * n).sum(2), (n**2).sum(2), ab)
    assert np.allclose(found, np.linalg.norm(noisy - x[:, None], axis=2), rtol=1e-12)
