"""The loss at single noise levels, and the distance to closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amdiff.diffusion import FiniteSet, Gaussian, SampleNoise, Schedule
from amdiff.diffusion.losses import level_losses, level_weights, spread_times

SCHEDULE = Schedule.linear()


def images(count: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, 1, 3, 3)).astype(np.float32) / 2)


def measured(denoiser, x, times, **options):
    return level_losses(denoiser, x, times, SCHEDULE, SampleNoise(0, range(len(x))), **options)


def test_a_closed_form_is_at_no_distance_from_itself():
    own = FiniteSet(images(20), SCHEDULE)
    found = measured(
        own, images(8, 1), [0, 100, 500, 999], references={"set": own, "other": FiniteSet(images(20, 2), SCHEDULE)}
    )
    assert (found.distances["set"] == 0).all()
    assert (found.references["set"] == found.loss).all()
    assert (found.distances["other"][:, :3] > 0).all()


def test_a_network_of_no_output_has_a_loss_of_one():
    x = images(400)
    found = measured(lambda x, t: torch.zeros_like(x), x, [300], draws=20)
    assert found.loss.mean() == pytest.approx(1, abs=0.02)


def test_the_loss_of_a_gaussian_is_what_theory_says():
    """The best prediction leaves signal^2 lambda / (signal^2 lambda + sigma^2) of the noise along a direction."""
    rng = np.random.default_rng(0)
    variances = np.array([4.0, 1.0, 0.25, 0.01])
    x = torch.from_numpy((rng.normal(size=(4000, 4)) * variances**0.5).astype(np.float32)).view(-1, 1, 2, 2)
    exact = Gaussian(torch.zeros(4), torch.diag(torch.from_numpy(variances)), SCHEDULE)
    times = [50, 300, 600]
    found = measured(exact, x, times)
    signal, sigma = SCHEDULE.levels(np.array(times))
    expected = [(s**2 * variances / (s**2 * variances + v**2)).mean() for s, v in zip(signal, sigma, strict=True)]
    error = found.loss.std(axis=0) / len(x) ** 0.5
    assert (abs(found.loss.mean(axis=0) - expected) < 4 * error).all()


def test_the_distance_to_the_best_prediction_is_the_excess_loss():
    """For data of a Gaussian, the excess loss over the exact prediction is the squared distance to it, on average."""
    x = images(4000)
    best, other = (Gaussian(torch.zeros(9), torch.eye(9) * v, SCHEDULE) for v in (0.25, 1.0))
    found = measured(other, x, [200, 500], references={"best": best})
    difference = found.loss - found.references["best"] - found.distances["best"]
    assert (abs(difference.mean(axis=0)) < 4 * difference.std(axis=0) / len(x) ** 0.5).all()


def test_noise_belongs_to_the_image():
    """Another batch changes nothing, so losses of several models are comparable image by image."""
    x, exact = images(10), FiniteSet(images(20, 3), SCHEDULE)
    whole = measured(exact, x, [10, 500], draws=2)
    part = level_losses(exact, x[6:], [10, 500], SCHEDULE, SampleNoise(0, range(6, 10)), draws=2)
    np.testing.assert_allclose(whole.loss[6:], part.loss, rtol=1e-5)


def test_levels_are_spread_and_weigh_as_in_training():
    times = spread_times(SCHEDULE, 16)
    assert times[0] == 0
    assert times[-1] == 999
    assert len(times) == 16
    signal, sigma = SCHEDULE.levels(times)
    steps = np.diff(np.log(sigma / signal))
    assert steps[2:].max() / steps[2:].min() < 1.1  # at the lowest levels neighbours are further apart than that
    weights = level_weights(SCHEDULE, times)
    assert weights.sum() == pytest.approx(1)
    signal, sigma = SCHEDULE.levels(np.arange(1000))
    ratio = np.log(sigma / signal)
    assert weights @ ratio[times] == pytest.approx(ratio.mean())  # exact where a loss is linear between levels
    assert weights @ (1 / (1 + np.exp(2 * ratio[times]))) == pytest.approx((signal**2).mean(), rel=0.02)
    assert level_weights(SCHEDULE, np.array([5])).tolist() == [1]


def test_bad_input_is_refused():
    exact = FiniteSet(images(3), SCHEDULE)
    with pytest.raises(ValueError, match="0 to 999, got \\[1000\\]"):
        measured(exact, images(3), [5, 1000])
    with pytest.raises(ValueError, match="each of the 2 streams"):
        level_losses(exact, images(3), [5], SCHEDULE, SampleNoise(0, range(2)))
    with pytest.raises(ValueError, match="at least two noise levels"):
        spread_times(SCHEDULE, 1)
