"""The dense associative memory, against its definition written out and differentiated."""

from __future__ import annotations

import doctest
import math

import pytest
import torch

from amdiff.diffusion import memory as module
from amdiff.diffusion.memory import DenseAssociativeMemory, ve_level, vp_level

LEVELS = {"ve": ve_level(0.3, sigma=1.5), "vp": vp_level(0.6), "cold": vp_level(0.99)}


@pytest.fixture
def problem() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    memories = torch.randn(9, 1, 2, 3, generator=generator, dtype=torch.float64)
    return memories, torch.randn(5, 1, 2, 3, generator=generator, dtype=torch.float64)


def naive(x: torch.Tensor, memories: torch.Tensor, beta: float, scale: float) -> torch.Tensor:
    """Eq. 6 as it stands, for one flat point."""
    return -torch.logsumexp(-beta * (x - scale * memories.flatten(1)).square().sum(1), 0) / beta


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("block", [2, 100])
def test_everything_follows_from_the_energy(problem: tuple[torch.Tensor, ...], level: tuple, block: int) -> None:
    memories, x = problem
    beta, scale = level
    am = DenseAssociativeMemory(memories, block)
    energies = torch.stack([naive(p, memories, beta, scale) for p in x.flatten(1)])
    gradients = torch.stack([torch.func.grad(naive)(p, memories, beta, scale) for p in x.flatten(1)])
    hessians = torch.stack([torch.func.hessian(naive)(p, memories, beta, scale) for p in x.flatten(1)])
    tight = {"rtol": 1e-9, "atol": 1e-9}
    assert torch.allclose(am.energy(x, *level), energies, **tight)
    assert torch.allclose(am.score(x, *level).flatten(1), -beta * gradients, **tight)
    assert torch.allclose(am.jacobian(x, *level), -beta * hessians, rtol=1e-8, atol=1e-7)
    v = torch.randn_like(x)
    products = (-beta * hessians @ v.flatten(1)[:, :, None])[:, :, 0]
    assert torch.allclose(am.jacobian_product(x, v, *level).flatten(1), products, rtol=1e-8, atol=1e-7)


def test_the_density_is_that_of_a_mixture(problem: tuple[torch.Tensor, ...]) -> None:
    memories, x = problem
    ab = 0.7
    parts = torch.distributions.Normal(ab**0.5 * memories.flatten(1), math.sqrt(1 - ab))
    logs = parts.log_prob(x.flatten(1)[:, None]).sum(2)
    expected = logs.logsumexp(1) - math.log(len(memories))
    assert torch.allclose(DenseAssociativeMemory(memories).log_density(x, *vp_level(ab)), expected, rtol=1e-10)


def test_each_point_may_have_its_own_level(problem: tuple[torch.Tensor, ...]) -> None:
    memories, x = problem
    beta, scale = torch.tensor([0.1, 1.0, 3.0, 50.0, 0.4]), torch.linspace(0.2, 1, 5)
    am = DenseAssociativeMemory(memories)
    single = [am.jacobian(x[i : i + 1], float(beta[i]), float(scale[i])) for i in range(5)]
    assert torch.allclose(am.jacobian(x, beta, scale), torch.cat(single), rtol=1e-6, atol=1e-6)


def test_retrieval_descends_to_a_fixed_point(problem: tuple[torch.Tensor, ...]) -> None:
    memories, x = problem
    am = DenseAssociativeMemory(memories)
    for beta in (0.05, 0.5, 20.0):
        found = am.retrieve(x, beta, tolerance=1e-9)
        assert (found.energy.diff(dim=0) <= 1e-12).all()
        assert (found.steps < 1000).all()
        assert am.score(found.state, beta).abs().max() < 1e-6
    cold = am.retrieve(memories + 0.01, 200.0).state
    assert torch.allclose(cold, memories, atol=1e-6)
    hot = am.retrieve(x, 1e-3).state
    assert torch.allclose(hot, memories.mean(0).expand_as(hot), atol=0.05)


def test_image_sizes_and_extreme_temperatures_stay_finite() -> None:
    generator = torch.Generator().manual_seed(1)
    memories = torch.rand(300, 3, 32, 32, generator=generator) * 2 - 1
    am = DenseAssociativeMemory(memories, block=77)
    x = torch.cat([memories[:2], torch.full((1, 3, 32, 32), 1e3)])
    v = torch.ones_like(x)
    for beta in (1e-9, 1.0, 1e6):
        for value in (am.energy(x, beta), am.score(x, beta), am.jacobian_product(x, v, beta), am.log_density(x, beta)):
            assert torch.isfinite(value).all()
    assert am.energy(x, 1e6)[:2].abs().max() < 1e-6
    assert torch.allclose(am.recall(x[:2], 1e6), memories[:2].double())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DenseAssociativeMemory(torch.zeros(0, 4)), "at least one memory"),
        (lambda: DenseAssociativeMemory(torch.zeros(2, 4)).energy(torch.zeros(1, 4), 0.0), "must be positive, got 0.0"),
        (
            lambda: DenseAssociativeMemory(torch.zeros(2, 4)).score(torch.zeros(1, 5), 1.0),
            r"the points have shape \(5,\), expected the shape \(4,\) of the memories",
        ),
    ],
)
def test_mistakes_are_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_its_example_is_true() -> None:
    found = doctest.testmod(module)
    assert found.attempted >= 4
    assert found.failed == 0
