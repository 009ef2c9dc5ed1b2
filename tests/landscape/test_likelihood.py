"""Likelihood by the probability-flow ODE, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import hadamard

from amdiff.config import DiffusionSpec, MlpDenoiser
from amdiff.diffusion.denoisers import build_network
from amdiff.diffusion.exact import FiniteSet, Gaussian
from amdiff.diffusion.memory import DenseAssociativeMemory, ve_level, vp_level
from amdiff.diffusion.processes import Schedule, VarianceExploding
from amdiff.errors import AmdiffError
from amdiff.landscape.likelihood import _with_divergence, log_likelihood, standard_normal_log_density

VP, VE = Schedule.linear(DiffusionSpec()), VarianceExploding()


def gaussian_density(model: Gaussian, signal: float, sigma: float):
    variance = signal**2 * model.eigenvalues + sigma**2
    covariance = model.axes @ torch.diag(variance) @ model.axes.T
    return torch.distributions.MultivariateNormal(signal * model.mean, covariance).log_prob


@pytest.mark.parametrize("t", [0.01, 0.15, 0.6])
def test_a_gaussian_under_ve(t: float) -> None:
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(40, 3, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 0.3, 0.1])
    model = Gaussian.fitted(data, VE)
    x = data[:9] + t**0.5 * torch.randn(9, 3, generator=generator, dtype=torch.float64)
    found = log_likelihood(model, VE, x, t, gaussian_density(model, 1, 1))
    assert np.abs(found - gaussian_density(model, 1, math.sqrt(t))(x).numpy()).max() < 1e-3


@pytest.mark.parametrize("t", [0.01, 0.15])
def test_a_finite_mixture_under_ve(t: float) -> None:
    """Also off the data, where p is small."""
    generator = torch.Generator().manual_seed(1)
    memories = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    am = DenseAssociativeMemory(memories)
    axis = torch.linspace(-1, 1, 7, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    found = log_likelihood(FiniteSet(memories, VE), VE, x, t, lambda y: am.log_density(y, *ve_level(1.0)))
    assert np.abs(found - am.log_density(x, *ve_level(t)).numpy()).max() < 1e-3


@pytest.mark.parametrize("t", [10.0, 150.5])
def test_a_finite_mixture_of_images_under_vp(t: float) -> None:
    generator = torch.Generator().manual_seed(2)
    memories = torch.rand(5, 1, 2, 3, generator=generator, dtype=torch.float64) * 2 - 1
    am = DenseAssociativeMemory(memories)
    signal, sigma = (float(v) for v in VP.levels(np.array(t)))
    x = signal * memories + sigma * torch.randn(5, 1, 2, 3, generator=generator, dtype=torch.float64)
    model = FiniteSet(memories, VP)
    last = vp_level(float(VP.alpha_bar[-1]))
    found = log_likelihood(model, VP, x, t, lambda y: am.log_density(y, *last))
    assert np.abs(found - am.log_density(x, *vp_level(signal**2)).numpy()).max() < 1e-3
    # all but the exact end: N(0, I), which is where the forward process nearly arrives
    learned = log_likelihood(model, VP, x, t, standard_normal_log_density(1.0))
    assert np.abs(found - learned).max() < 0.05


def test_hutchinsons_estimate_is_unbiased() -> None:
    """For a Gaussian the divergence does not depend on x, so one solve with many probes meets the exact trace."""
    generator = torch.Generator().manual_seed(3)
    data = torch.randn(50, 1, 2, 4, generator=generator, dtype=torch.float64)
    model = Gaussian.fitted(data, VP)
    end = gaussian_density(model, float(VP.alpha_bar[-1] ** 0.5), float(VP.sigma[-1]))

    def last(x: torch.Tensor) -> torch.Tensor:
        return end(x.flatten(1))

    x = data[:200:5]
    exact = log_likelihood(model, VP, x, 200.0, last)
    few = np.stack(
        [
            log_likelihood(model, VP, x, 200.0, last, probes=2, generator=torch.Generator().manual_seed(s)) - exact
            for s in range(30)
        ]
    )
    assert 0.005 < few.std() < 1.0
    assert abs(few.mean()) < 4 * few.std() / math.sqrt(few.size)


def test_the_divergence_of_an_image_network() -> None:
    """Signs whose outer products average to the identity, the rows of a Hadamard matrix, give the exact trace."""
    generator = torch.Generator().manual_seed(4)
    network = build_network(MlpDenoiser(kind="mlp", width=24, blocks=1), (1, 4, 4), 1000, generator)
    x = torch.randn(3, 1, 4, 4, generator=generator, dtype=torch.float64)
    signs = torch.from_numpy(hadamard(16)).double().view(16, 1, 1, 4, 4).expand(16, 3, 1, 4, 4)
    for time in (100.0, 100.5):
        eps, exact = _with_divergence(network, x, time, torch.float32, None)
        _, estimated = _with_divergence(network, x, time, torch.float32, signs)
        jacobian = torch.func.jacrev(lambda y, t=time: network(y[None], torch.tensor([t]))[0].flatten())(x[0].float())
        assert torch.allclose(exact[0].float(), jacobian.view(16, 16).trace(), rtol=1e-3, atol=1e-5)
        assert torch.allclose(exact, estimated, rtol=1e-3, atol=1e-5)
        assert exact.abs().min() > 1e-3
        assert torch.allclose(eps, network(x.float(), torch.full((3,), time)).double(), atol=1e-5)


def test_failures_are_named() -> None:
    end = standard_normal_log_density(1.0)
    for bad in (lambda x, t: 1e3 * x**3, lambda x, t: x * torch.nan):
        with pytest.raises(AmdiffError, match="could not be integrated"):
            log_likelihood(bad, VE, torch.ones(2, 2), 0.1, end)
    for start in (1.0, 0.0, -0.5):
        with pytest.raises(ValueError, match="cannot start at"):
            log_likelihood(lambda x, t: x, VE, torch.ones(2, 2), start, end)
    with pytest.raises(ValueError, match="at least one probe and a generator"):
        log_likelihood(lambda x, t: x, VE, torch.ones(2, 2), 0.1, end, probes=0)
