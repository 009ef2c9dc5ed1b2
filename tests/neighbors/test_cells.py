"""Cells of a database: brute force."""

from __future__ import annotations

import numpy as np
import pytest

from amdiff.neighbors.cells import cell_distances
from amdiff.neighbors.pixels import PIXELS
from amdiff.neighbors.sets import ArraySource, DistinctSet
from amdiff.neighbors.vectors import Vectors


def vectors(images: np.ndarray) -> Vectors:
    return Vectors(DistinctSet.of(ArraySource(images)), PIXELS)


@pytest.mark.parametrize("memory_mb", [64, 0.02])
def test_distances_within_cells(rng: np.random.Generator, memory_mb: float) -> None:
    """Two clusters, dark and bright: neighbours are of the own one, copies at 0, duplicates alike."""
    bright = rng.integers(0, 2, 90).astype(bool)
    images = (rng.integers(0, 60, (90, 1, 4, 4)) + 190 * bright[:, None, None, None]).astype(np.uint8)
    database, queries = images[:60], np.concatenate([images[60:], images[60:61], images[:1]])
    ((cell, distance),) = cell_distances([vectors(queries)], vectors(database), 2, memory_mb=memory_mb)
    truth = np.concatenate([bright[60:], bright[60:61], bright[:1]])
    assert len({(int(c), bool(b)) for c, b in zip(cell, truth, strict=True)}) == 2
    flat = [a.reshape(len(a), -1).astype(float) * 2 / 255 for a in (queries, database)]
    pairs = np.sqrt(((flat[0][:, None] - flat[1][None]) ** 2).sum(-1))
    pairs[truth[:, None] != bright[:60]] = np.inf
    assert np.allclose(distance, pairs.min(axis=1), rtol=1e-12)
    assert distance[-1] == 0
    with pytest.raises(ValueError, match="got 0 cells"):
        cell_distances([vectors(queries)], vectors(database), 0)
