"""Relative energy against the closed-form potential ``u = -beta/4 |x|^2 - beta log p``."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from amdiff.config import DiffusionSpec
from amdiff.diffusion.exact import FiniteSet, Gaussian
from amdiff.diffusion.memory import DenseAssociativeMemory, vp_level
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import SampleNoise
from amdiff.landscape.findings import PATHS
from amdiff.landscape.potential import asymmetry, path_energy, relative_energy

SCHEDULE = Schedule.linear(DiffusionSpec())


LogDensity = Callable[[torch.Tensor], torch.Tensor]


def difference(log_density: LogDensity, x: torch.Tensor, r: torch.Tensor, t: int) -> torch.Tensor:
    beta = float(SCHEDULE.betas[t])

    def potential(y: torch.Tensor) -> torch.Tensor:
        return -beta / 4 * y.square().sum(1) - beta * log_density(y)

    return potential(x)[:, None] - potential(r)[None]


def gaussian(shift: float = 0.0) -> tuple[Gaussian, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(60, 5, generator=generator, dtype=torch.float64)
    data = data @ torch.randn(5, 5, generator=generator, dtype=torch.float64)
    model = Gaussian.fitted(data, SCHEDULE)
    model.mean = torch.full((5,), shift, dtype=torch.float64)
    return model, data[:7], data[7:10]


def gaussian_density(model: Gaussian, t: int) -> Callable[[torch.Tensor], torch.Tensor]:
    ab = float(SCHEDULE.alpha_bar[t])
    variance = ab * model.eigenvalues + 1 - ab
    covariance = model.axes @ torch.diag(variance) @ model.axes.T
    return torch.distributions.MultivariateNormal(ab**0.5 * model.mean, covariance).log_prob


@pytest.mark.parametrize("t", [0, 300])
def test_a_gaussians_relative_energy_at_20_points(t: int) -> None:
    """Far from its mean, as images are that are no noise."""
    model, x, references = gaussian(shift=20.0)
    expected = difference(gaussian_density(model, t), x, references, t)
    found = relative_energy(model, x, references, SCHEDULE, time=t, points=20)
    assert (found - expected).abs().max() < 1e-3 * expected.abs().max()


def test_the_path_integral_converges_with_second_order() -> None:
    """For a centred Gaussian the trapezoid rule falls short by the factor ``h cot h``, 1 - h^2/3 to second order."""
    model, x, references = gaussian()
    expected = difference(gaussian_density(model, 0), x, references, 0)
    errors = []
    for points in (11, 20, 41):
        found = relative_energy(model, x, references, SCHEDULE, points=points)
        h = torch.pi / 2 / (points - 1)
        assert torch.allclose(found, expected * h / math.tan(h), rtol=1e-9, atol=1e-12)
        errors.append((found - expected).abs().max().item())
    assert errors[0] / errors[2] == pytest.approx(16, rel=0.02)


@pytest.mark.parametrize(("t", "points"), [(300, 40), (600, 40), (100, 160), (0, 5000)])
def test_a_finite_sets_relative_energy(t: int, points: int) -> None:
    """At small t the path has kinks, where it leaves one memory's basin for another's: it needs more points."""
    generator = torch.Generator().manual_seed(2)
    memories = torch.rand(8, 1, 3, 3, generator=generator, dtype=torch.float64) * 2 - 1
    level = vp_level(float(SCHEDULE.alpha_bar[t]))
    am = DenseAssociativeMemory(memories)
    targets = torch.cat([memories[:4], torch.rand(4, 1, 3, 3, generator=generator, dtype=torch.float64) - 0.5])

    def log_density(flat: torch.Tensor) -> torch.Tensor:
        return am.log_density(flat.view(-1, 1, 3, 3), *level)

    expected = difference(log_density, targets.flatten(1), memories[:2].flatten(1), t)
    found = relative_energy(FiniteSet(memories, SCHEDULE), targets, memories[:2], SCHEDULE, time=t, points=points)
    assert (found - expected).abs().max() < 1e-3 * expected.abs().max()


def test_an_image_against_itself_has_none() -> None:
    model, x, _ = gaussian()
    own = relative_energy(model, x, x, SCHEDULE).diagonal()
    assert own.abs().max() < 1e-9


def test_the_batch_changes_nothing() -> None:
    model, x, references = gaussian()
    whole, parts = (relative_energy(model, x, references, SCHEDULE, batch=b) for b in (4096, 21))
    assert torch.allclose(whole, parts, rtol=1e-12)


def test_a_path_has_two_ends() -> None:
    model, x, references = gaussian()
    with pytest.raises(ValueError, match="got 1"):
        relative_energy(model, x, references, SCHEDULE, points=1)


@pytest.mark.parametrize("t", [15, 50, 200])
def test_an_exact_field_has_a_potential(t: int) -> None:
    """Both paths agree, and the Jacobian is symmetric."""
    generator = torch.Generator().manual_seed(0)
    memories = torch.rand(12, 1, 4, 4, generator=generator, dtype=torch.float64) * 2 - 1
    model = FiniteSet(memories, SCHEDULE)
    x = memories[:5] + 0.3 * torch.randn(5, 1, 4, 4, generator=generator, dtype=torch.float64)
    both = [relative_energy(model, x, memories[:2], SCHEDULE, path=path, time=t, points=2000) for path in PATHS]
    assert (both[0] - both[1]).abs().max() < 1e-3 * both[0].abs().max()
    odd, even = asymmetry(model, x, t, SCHEDULE, SampleNoise(0, range(5)))
    assert (odd.sum() / even.sum()).sqrt() < 1e-6


def test_a_field_without_potential_is_told() -> None:
    """A rotation added to a Gaussian's field: its antisymmetric part is known, and the paths disagree."""
    rotation = torch.zeros(6, 6, dtype=torch.float64)
    rotation[0, 1], rotation[1, 0] = 2.0, -2.0

    def model(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return x + x @ rotation.T

    x = torch.eye(6, dtype=torch.float64)
    odd, even = asymmetry(model, x, 10, SCHEDULE, SampleNoise(0, range(6)), probes=400)
    # |J - J^T|^2 = |2 R|^2 = 32 and |J + J^T|^2 = |2 I|^2 = 24
    assert float(odd.mean()) == pytest.approx(32, rel=0.1)
    assert float(even.mean()) == pytest.approx(24, rel=0.1)
    circular, straight = (relative_energy(model, x[:1], x[1:2], SCHEDULE, path=p, time=10, points=500) for p in PATHS)
    assert abs(float(circular - straight)) > 0.1 * abs(float(straight))


def test_the_straight_path_is_exact_for_a_quadratic_potential() -> None:
    model, x, references = gaussian()
    expected = difference(gaussian_density(model, 0), x, references, 0)
    found = relative_energy(model, x, references, SCHEDULE, path="straight")
    assert (found - expected).abs().max() < 1e-9 * expected.abs().max()


def test_too_few_points_are_told_by_the_change() -> None:
    """At the smallest noise an exact field is sharp. With 20 points two paths disagree, and the change says why."""
    generator = torch.Generator().manual_seed(0)
    memories = torch.rand(12, 1, 4, 4, generator=generator, dtype=torch.float64) * 2 - 1
    model = FiniteSet(memories, SCHEDULE)
    x = memories[:5] + 0.01 * torch.randn(5, 1, 4, 4, generator=generator, dtype=torch.float64)
    for points, most in ((20, 1.0), (20001, 1e-3)):
        (circular, a), (straight, b) = (
            path_energy(model, x, memories[5:6], SCHEDULE, path=p, time=0, points=points, batch=4096) for p in PATHS
        )
        apart = (circular - straight).abs()
        assert float(apart.max()) < most
        assert (apart <= 2 * (a.abs() + b.abs()) + 1e-4).float().mean() >= 0.8
    with pytest.raises(ValueError, match="two end points and one between"):
        relative_energy(model, x, memories[5:6], SCHEDULE, points=2)
