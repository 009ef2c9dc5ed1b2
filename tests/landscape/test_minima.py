"""Minima of grids whose depths are known."""

from __future__ import annotations

import numpy as np

from amdiff.landscape.minima import grid_minima


def wells(*centres: tuple[float, float, float]) -> np.ndarray:
    """A grid over [-1, 1]^2 with Gaussian wells (x, y, depth)."""
    x, y = np.meshgrid(np.linspace(-1, 1, 81), np.linspace(-1, 1, 81))
    return -np.sum([d * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.02) for a, b, d in centres], axis=0)


def test_wells_are_found_with_their_depths() -> None:
    found = grid_minima(wells((-0.5, 0, 2.0), (0.5, 0, 1.0), (0, 0.5, 0.5)), 0.1)
    assert [(m.row, m.column) for m in found] == [(40, 20), (40, 60), (60, 40)]
    assert found[0].depth == np.inf
    assert np.allclose([m.depth for m in found[1:]], [1.0, 0.5], atol=0.02)


def test_ripples_are_no_minima(rng: np.random.Generator) -> None:
    rough = wells((-0.5, 0, 2.0), (0.5, 0, 1.0)) + rng.uniform(0, 0.01, (81, 81))
    assert len(grid_minima(rough, 0.05)) == 2
    assert len(grid_minima(rough, 0.0)) > 100


def test_a_flat_grid_has_one() -> None:
    (only,) = grid_minima(np.zeros((4, 5)), 0.0)
    assert only.depth == np.inf
