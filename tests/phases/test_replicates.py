"""Shares over runs: intervals that cover what a new sweep would find, and the parts of the variance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binom

from amdiff.phases.intervals import Estimate, wilson
from amdiff.phases.replicates import effective_samples, over_runs, variance_of

SAMPLES = 1024


def sweeps(share: float, draws: int, seeds: int, of_draws: float, of_seeds: float, count: int, seed: int = 0):
    """Shares of ``count`` simulated sweeps. Draws and seeds move the logit of the share by normal numbers."""
    rng = np.random.default_rng(seed)
    moved = (
        logit(share) + of_draws * rng.normal(size=(count, draws, 1)) + of_seeds * rng.normal(size=(count, draws, seeds))
    )
    return rng.binomial(SAMPLES, expit(moved)) / SAMPLES


def covered(shares: np.ndarray, truth: float) -> float:
    """Share of the sweeps whose interval covers the truth."""
    sizes = np.full(shares.shape[1:], float(SAMPLES))
    found = [over_runs(one, sizes, one * (1 - one) / SAMPLES).estimate for one in shares]
    return float(np.mean([e.low <= truth <= e.high for e in found]))


def mean_share(share: float, spread: float) -> float:
    """Mean of the share over runs whose logits have this standard deviation."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return float(weights @ expit(logit(share) + spread * nodes) / weights.sum())


@pytest.mark.parametrize(("share", "draws", "seeds"), [(0.3, 5, 2), (0.5, 3, 3), (0.2, 10, 1), (0.3, 5, 1)])
def test_intervals_over_draws_cover_the_mean_share(share, draws, seeds):
    shares = sweeps(share, draws, seeds, 0.2, 0.15, 1000)
    assert 0.93 <= covered(shares, mean_share(share, (0.2**2 + 0.15**2) ** 0.5)) <= 0.97


@pytest.mark.parametrize(("share", "draws", "seeds"), [(0.02, 5, 2), (0.95, 4, 2), (0.04, 8, 1)])
def test_intervals_near_the_ends_cover_the_expit_of_the_mean_logit(share, draws, seeds):
    shares = sweeps(share, draws, seeds, 0.3, 0.2, 1000)
    assert 0.93 <= covered(shares, share) <= 0.97


def test_intervals_over_seeds_hold_given_the_training_set():
    shares = sweeps(0.3, 1, 6, 0.0, 0.2, 1000)
    assert 0.93 <= covered(shares, mean_share(0.3, 0.2)) <= 0.97


def test_runs_of_one_draw_are_no_independent_runs():
    """What the design avoids: with all runs as the unit, the interval covers far less than it says."""
    shares = sweeps(0.3, 4, 5, 0.3, 0.1, 1000)
    truth = mean_share(0.3, (0.3**2 + 0.1**2) ** 0.5)
    assert covered(shares, truth) >= 0.93
    assert covered(shares.reshape(1000, 1, 20), truth) < 0.8


def test_the_parts_of_the_variance_are_found():
    shares = sweeps(0.3, 5, 4, 0.2, 0.1, 4000)
    sizes = np.full((5, 4), float(SAMPLES))
    found = [over_runs(one, sizes, one * (1 - one) / SAMPLES) for one in shares]
    slope = 0.3 * 0.7  # of the share in the logit
    within = np.mean([f.within for f in found])
    assert within == pytest.approx(binom(SAMPLES, 0.3).var() / SAMPLES**2, rel=0.05)
    assert np.mean([f.between_draws for f in found]) == pytest.approx((0.2 * slope) ** 2, rel=0.15)
    assert np.mean([f.between_seeds for f in found]) == pytest.approx((0.1 * slope) ** 2, rel=0.15)


def test_one_run_for_each_training_set_does_not_tell_the_seed_from_the_set():
    shares = sweeps(0.3, 6, 1, 0.2, 0.1, 1)[0]
    found = over_runs(shares, np.full((6, 1), float(SAMPLES)), np.full((6, 1), 1e-4))
    assert found.between_seeds is None
    assert found.between_draws == pytest.approx(shares.var(ddof=1) - 1e-4)
    alone = over_runs(shares.T, np.full((1, 6), float(SAMPLES)), np.full((1, 6), 1e-4))
    assert alone.between_draws is None
    assert 0 < alone.of_runs < 1


def test_a_share_that_is_zero_in_every_run_has_an_interval():
    none = np.zeros((3, 2))
    found = over_runs(none, np.full((3, 2), 100.0), none)
    assert found.estimate == wilson(0.0, 100)
    assert found.of_runs == 0


def test_no_spread_is_no_certainty_of_an_estimate_near_an_end():
    few = np.array([[0.0], [0.0], [0.01]])
    found = over_runs(few, np.full((3, 1), 100.0), few).estimate
    assert 0 < found.low < found.value < found.high
    assert found.high > 0.01


def test_runs_that_agree_by_chance_are_not_known_exactly() -> None:
    for share in (0.25, 0.004):
        same = np.full((2, 1), share)
        found = over_runs(same, np.full((2, 1), 1024.0), same * (1 - same) / 1024).estimate
        assert found.low < share < found.high
        assert found.high - found.low > 2 * (share * (1 - share) / 1024 / 2) ** 0.5


def test_the_number_of_samples_follows_from_the_variance() -> None:
    assert effective_samples(0.2, 0.16 / 500, 256, 1024) == pytest.approx(500)
    assert effective_samples(0.2, 0.16 / 100, 256, 1024) == 256
    assert effective_samples(0.2, 0.0, 256, 1024) == 1024
    assert effective_samples(0.0, 1e-4, 256, 1024) == 1024


def test_one_run_is_too_few():
    with pytest.raises(ValueError, match="at least two runs, got 1"):
        over_runs(np.array([[0.5]]), np.array([[10.0]]), np.array([[0.1]]))


def test_a_variance_is_read_off_an_interval():
    assert variance_of(Estimate(0.5, 0.5 - 0.0196, 0.5 + 0.0196), 0.95) == pytest.approx(1e-4, rel=1e-3)
