"""Closed forms of the circle, against numerical integrals over the ring."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amdiff.diffusion.memory import DenseAssociativeMemory
from amdiff.landscape import circle

BETAS = [0.8, 1 / 0.3, 50.0, 5e4]


@pytest.mark.parametrize("beta", BETAS)
def test_infinite_data_are_the_limit_of_many(beta: float) -> None:
    """The associative memory of a fine ring of data; its energy counts them, hence log K / beta."""
    count = 20_000
    angles = torch.arange(count, dtype=torch.float64) * 2 * torch.pi / count
    am = DenseAssociativeMemory(torch.stack([angles.cos(), angles.sin()], dim=1))
    x = torch.tensor([[0.0, 0.0], [0.3, -0.2], [0.7, 0.7], [-1.4, 0.2], [1.5, 1.5]], dtype=torch.float64)
    found = circle.energy(x.numpy(), beta) - np.log(count) / beta
    assert np.allclose(found, am.energy(x, beta).numpy(), rtol=1e-6, atol=1e-6)
    assert np.allclose(circle.score(x.numpy(), beta), am.score(x, beta).numpy(), rtol=1e-5, atol=1e-6)
    assert np.allclose(circle.log_density(x.numpy(), beta), am.log_density(x, beta).numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("beta", BETAS)
def test_the_ring_is_where_the_energy_is_lowest(beta: float) -> None:
    radius = np.linspace(0, 1.5, 30_001)
    points = np.stack([radius, np.zeros_like(radius)], axis=1)
    lowest = radius[circle.energy(points, beta).argmin()]
    assert circle.ring_radius(beta) == pytest.approx(lowest, abs=1e-3)


def test_the_rings_radius_at_the_papers_time() -> None:
    assert circle.ring_radius(1 / (2 * 0.15)) == pytest.approx(0.914, abs=1e-3)
    assert circle.ring_radius(1.0) == 0.0


def test_a_radial_profile_is_the_mean_over_angles() -> None:
    axis = np.linspace(-1.5, 1.5, 61)
    x, y = np.meshgrid(axis, axis)
    radius, mean = circle.radial_profile((x**2 + y**2 - 1) ** 2 + 0.3 * x, axis)
    assert np.allclose(mean, (radius**2 - 1) ** 2, atol=1e-3)
    assert radius[mean.argmin()] == pytest.approx(1, abs=0.006)
