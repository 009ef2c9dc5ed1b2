"""Closed-form denoisers, against the derivatives of the densities they come from."""

from __future__ import annotations

import pytest
import torch

from amdiff.config import DiffusionSpec
from amdiff.diffusion.exact import FiniteSet, Gaussian
from amdiff.diffusion.processes import Schedule

SCHEDULE = Schedule.linear(DiffusionSpec())


def score(denoiser: FiniteSet | Gaussian, x: torch.Tensor, t: int) -> torch.Tensor:
    eps = denoiser(x, torch.full((len(x),), t))
    return -eps / float(SCHEDULE.sigma[t])


@pytest.mark.parametrize("t", [0, 10, 300, 999])
@pytest.mark.parametrize("block", [1, 3, 100])
def test_a_finite_sets_score_is_the_gradient_of_its_log_density(t: int, block: int) -> None:
    generator = torch.Generator().manual_seed(1)
    memories = torch.rand(7, 2, 3, generator=generator, dtype=torch.float64) * 2 - 1
    x = torch.randn(5, 2, 3, generator=generator, dtype=torch.float64).requires_grad_()
    ab = float(SCHEDULE.alpha_bar[t])
    squares = (x[:, None] - ab**0.5 * memories).flatten(2).square().sum(2)
    torch.logsumexp(-squares / (2 * (1 - ab)), dim=1).sum().backward()
    assert torch.allclose(score(FiniteSet(memories, SCHEDULE, block), x.detach(), t), x.grad, rtol=1e-8, atol=1e-8)


def test_times_may_differ_within_a_batch() -> None:
    memories, x = torch.rand(4, 6, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    denoiser = FiniteSet(memories, SCHEDULE)
    times = torch.tensor([1, 500, 999])
    single = torch.cat([denoiser(x[i : i + 1], times[i : i + 1]) for i in range(3)])
    assert torch.allclose(denoiser(x, times), single, rtol=1e-10)


def test_one_memory_predicts_its_noise() -> None:
    memory, noise, t = torch.rand(1, 5, dtype=torch.float64), torch.randn(1, 5, dtype=torch.float64), 400
    x = SCHEDULE.alpha_bar[t] ** 0.5 * memory + SCHEDULE.sigma[t] * noise
    assert torch.allclose(FiniteSet(memory, SCHEDULE)(x, torch.tensor([t])), noise)


def test_far_points_and_image_sizes_do_not_overflow() -> None:
    denoiser = FiniteSet(torch.rand(3, 3, 64, 64) * 2 - 1, SCHEDULE)
    assert torch.isfinite(denoiser(torch.full((1, 3, 64, 64), 1e4), torch.tensor([0]))).all()


@pytest.mark.parametrize("t", [0, 100, 999])
def test_a_gaussians_score_is_the_gradient_of_its_log_density(t: int) -> None:
    generator = torch.Generator().manual_seed(2)
    data = torch.randn(50, 4, generator=generator, dtype=torch.float64) @ torch.randn(
        4, 4, generator=generator, dtype=torch.float64
    )
    x = torch.randn(3, 4, generator=generator, dtype=torch.float64).requires_grad_()
    ab = float(SCHEDULE.alpha_bar[t])
    covariance = ab * torch.cov(data.T) + (1 - ab) * torch.eye(4, dtype=torch.float64)
    torch.distributions.MultivariateNormal(ab**0.5 * data.mean(0), covariance).log_prob(x).sum().backward()
    assert torch.allclose(score(Gaussian.fitted(data, SCHEDULE), x.detach(), t), x.grad, rtol=1e-7, atol=1e-8)


def test_a_gaussian_needs_two_images() -> None:
    with pytest.raises(ValueError, match="at least two images, got 1"):
        Gaussian.fitted(torch.zeros(1, 4), SCHEDULE)
