"""Other measures of copying: by hand, and on planted data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from amdiff.phases.copying import authentic, data_copying, nearest_ratio, z_score


def test_ratios_by_hand() -> None:
    distance = np.array([[1.0, 4.0, 6.0], [2.0, 3.0, np.inf], [0.0, 0.0, 0.0], [0.0, 2.0, 2.0]])
    assert nearest_ratio(distance, 1)[[0, 1, 3]].tolist() == [0.25, 2 / 3, 0.0]
    found = nearest_ratio(distance, 2)
    assert found[0] == 0.2
    assert np.isnan(found[1])
    assert found[2] == 0.0
    with pytest.raises(
        ValueError, match=r"'following' must be at least 1 and less than the number of known neighbours \(3\), got 3"
    ):
        nearest_ratio(distance, 3)


def test_authentic_by_hand() -> None:
    """Training images at 0, 1 and 5: the first two are 1 apart, the third is 4 from the next."""
    within = np.array([1.0, 1.0, 4.0])
    samples = np.array([0.3, 3.5, 9.5])
    train = np.array([0.0, 1.0, 5.0])
    to_train = np.abs(samples[:, None] - train)
    found = authentic(to_train.min(axis=1), to_train.argmin(axis=1), within)
    assert found.tolist() == [False, False, True]


def test_z_is_standard_normal_where_nothing_is_copied(rng: np.random.Generator) -> None:
    scores = [z_score(rng.exponential(size=60), rng.exponential(size=80)) for _ in range(400)]
    assert stats.kstest(scores, "norm").pvalue > 0.01
    assert z_score(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == pytest.approx(-2 / np.sqrt(4 * 5 / 12))


def test_c_t_is_the_mean_of_its_cells(rng: np.random.Generator) -> None:
    """Copies in one cell of two; a cell with few samples has no part."""
    near, far = rng.exponential(size=100) * 0.01, rng.exponential(size=100)
    heldout, cells = rng.exponential(size=90), np.repeat([0, 1, 2], [30, 30, 30])
    samples = np.concatenate([near, far, far[:10]])
    found = data_copying(samples, np.repeat([0, 1, 2], [100, 100, 10]), heldout, cells)
    assert found is not None
    assert found.cells == (0, 1)
    assert found.z[0] < -5
    assert abs(found.z[1]) < 4
    assert found.value == pytest.approx(np.mean(found.z))
    assert data_copying(near[:5], np.zeros(5, int), heldout, cells) is None
