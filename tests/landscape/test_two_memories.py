"""Eq. 7: two memories have one minimum, half-way, exactly when beta D^2 <= 2."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from amdiff.diffusion.memory import DenseAssociativeMemory
from amdiff.landscape.two_memories import MERGING, energy, minima


@given(u=st.floats(0.05, 200), distance=st.floats(0.01, 50))
def test_the_number_of_minima_changes_at_two(u: float, distance: float) -> None:
    beta = u / distance**2
    found = minima(beta, distance)
    assert len(found) == (1 if beta * distance**2 <= MERGING else 2)
    # they are the minima of the associative memory itself: zero score, and the curvature of a minimum
    am = DenseAssociativeMemory(torch.tensor([[-distance / 2], [distance / 2]], dtype=torch.float64))
    x = torch.from_numpy(found)[:, None]
    assert np.abs(am.score(x, beta).numpy()).max() <= 1e-6 * beta * distance
    curvature = -am.jacobian(x, beta).flatten() / (2 * beta)
    assert (curvature >= -1e-9).all()


def brute_force(u: float) -> int:
    """Local minima of the energy on a fine grid, in units of D."""
    x = np.linspace(-1, 1, 200_001)
    e = energy(x, u, 1.0)
    return int(((e[1:-1] < e[:-2]) & (e[1:-1] <= e[2:])).sum())


@pytest.mark.parametrize("u", [0.5, 1.9, 1.99, 2.01, 2.1, 5.0])
def test_against_a_grid(u: float) -> None:
    assert len(minima(u, 1.0)) == brute_force(u)


def test_its_energy_is_that_of_the_memory() -> None:
    am = DenseAssociativeMemory(torch.tensor([[-0.7, 0.0], [0.7, 0.0]]))
    x = np.linspace(-2, 2, 9)
    points = torch.from_numpy(np.stack([x, 0 * x], axis=1))
    assert np.allclose(energy(x, 3.0, 1.4), am.energy(points, 3.0).numpy(), atol=1e-6)


def test_cold_minima_are_the_memories_and_hot_ones_the_middle() -> None:
    assert np.allclose(minima(1e6, 0.8), [-0.4, 0.4])
    assert minima(2.0, 1.0).tolist() == [0.0]
    assert np.abs(minima(2.0 + 1e-9, 1.0)).max() < 1e-4
    with pytest.raises(ValueError, match="must be positive"):
        minima(0.0, 1.0)
