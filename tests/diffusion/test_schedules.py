"""The schedule and the samplers' coefficients, against diffusers and against the theory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from amdiff.config import DiffusionSpec
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.samplers import AffineStep, ddim_steps, ddpm_steps

SCHEDULE = Schedule.linear(DiffusionSpec())


def test_alpha_bar_is_the_product_of_one_minus_beta() -> None:
    expected = DDPMScheduler(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02).alphas_cumprod
    assert np.allclose(SCHEDULE.alpha_bar, expected, rtol=1e-5)
    assert np.allclose(SCHEDULE.sigma**2 + SCHEDULE.alpha_bar, 1)
    assert SCHEDULE.sigma[2] == pytest.approx(0.019, abs=5e-4)  # the times that the curvature is measured at
    assert SCHEDULE.sigma[15] == pytest.approx(0.063, abs=5e-4)


@pytest.mark.parametrize("count", [1, 2, 7, 250, 1000])
def test_times_run_from_the_last_to_zero(count: int) -> None:
    times = SCHEDULE.times(count)
    assert len(times) == count
    assert times[0] == 999
    assert (np.diff(times) < 0).all()
    assert count == 1 or times[-1] == 0


@pytest.mark.parametrize("count", [0, 1001])
def test_impossible_numbers_of_steps(count: int) -> None:
    with pytest.raises(ValueError, match="the number of sampling steps must be from 1 to 1000"):
        SCHEDULE.times(count)


def apply(step: AffineStep, x: torch.Tensor, eps: torch.Tensor, clip: bool) -> torch.Tensor:
    x0 = step.x0_from_x * x - step.x0_from_eps * eps
    if clip:
        x0 = x0.clamp(-1, 1)
    return step.keep * x + step.predict * x0


@pytest.mark.parametrize("clip", [True, False])
def test_ddpm_predictions_and_variances_are_those_of_diffusers(clip: bool) -> None:
    peer = DDPMScheduler(num_train_timesteps=1000, clip_sample=clip, variance_type="fixed_small")
    x, eps = torch.randn(2, 4, 3, dtype=torch.float64).unbind()
    for step in ddpm_steps(SCHEDULE, None)[::97]:
        ours = step.x0_from_x * x - step.x0_from_eps * eps
        theirs = peer.step(eps, step.time, x).pred_original_sample
        assert torch.allclose(ours.clamp(-1, 1) if clip else ours, theirs, rtol=1e-4, atol=1e-3)
        variance = float(peer._get_variance(step.time)) if step.time else 0.0
        assert step.noise**2 == pytest.approx(variance, rel=1e-3, abs=1e-12)


def test_ddpm_means_are_those_of_diffusers() -> None:
    peer = DDPMScheduler(num_train_timesteps=1000, clip_sample=True)
    x, eps = torch.randn(2, 4, 16, dtype=torch.float64).unbind()
    step = ddpm_steps(SCHEDULE, None)[500]
    draws = torch.stack([peer.step(eps, step.time, x).prev_sample for _ in range(4000)])
    assert torch.allclose(draws.mean(0), apply(step, x, eps, True), atol=5 * step.noise / 4000**0.5)
    assert draws.std(0).mean().item() == pytest.approx(step.noise, rel=0.02)


def test_ddim_steps_are_those_of_diffusers() -> None:
    peer = DDIMScheduler(num_train_timesteps=1000, clip_sample=True, set_alpha_to_one=True)
    peer.set_timesteps(1000)
    x, eps = torch.randn(2, 64, dtype=torch.float64).unbind()
    for step in ddim_steps(SCHEDULE, None)[::111]:
        theirs = peer.step(eps, step.time, x, use_clipped_model_output=True).prev_sample
        assert torch.allclose(apply(step, x, eps, True), theirs, rtol=1e-3, atol=1e-5)
        assert step.noise == 0


@pytest.mark.parametrize("count", [1, 10, 250, 1000])
def test_strided_steps_carry_a_gaussian_exactly(count: int) -> None:
    """With x0 drawn from its posterior, ancestral steps of any stride carry one marginal into the next."""
    variance = 0.3  # of the data
    v = float(SCHEDULE.alpha_bar[999] * variance + 1 - SCHEDULE.alpha_bar[999])
    for step in ddpm_steps(SCHEDULE, count):
        ab = float(SCHEDULE.alpha_bar[step.time])
        total = ab * variance + 1 - ab
        # exact posterior: x0 | x has mean sqrt(ab) variance / total x and variance variance (1 - ab) / total
        gain = step.keep + step.predict * ab**0.5 * variance / total
        v = gain**2 * v + step.predict**2 * variance * (1 - ab) / total + step.noise**2
    assert v == pytest.approx(variance, rel=1e-6)


def test_ddim_with_eta_one_has_ddpms_noise() -> None:
    a, b = ddim_steps(SCHEDULE, 50, eta=1.0), ddpm_steps(SCHEDULE, 50)
    assert np.allclose([s.noise for s in a], [s.noise for s in b])
    assert np.allclose([s.keep for s in a[:-1]], [s.keep for s in b[:-1]], atol=1e-12)
