"""The toy model's summary: clusters of generated points."""

from __future__ import annotations

import numpy as np

from amdiff.stages.likelihood import _clusters


def test_clusters_of_planted_groups_come_by_size_then_by_first_sample() -> None:
    places = np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0], [0.0, -1.0]])
    group = np.array([3, 1, 0, 0, 2, 1, 0, 3, 2, 0])  # sizes 4, 2, 2, 2
    samples = places[group] + 1e-3 * np.random.default_rng(0).normal(size=(len(group), 2))
    found = _clusters(samples, places[:2], 0.3)
    assert [c["size"] for c in found] == [4, 2, 2, 2]
    order = [0, 3, 1, 2]  # of the three pairs, that of sample 0 first
    centres = np.array([[c["x"], c["y"]] for c in found])
    assert np.allclose(centres, [samples[group == g].mean(axis=0) for g in order])
    distances = np.array([c["nearest_training_distance"] for c in found])
    assert np.allclose(distances, [0, 2**0.5, 0, 2**0.5], atol=0.01)


def test_clusters_are_no_wider_than_their_diameter() -> None:
    """Complete linkage bounds the diameter: a chain of points is cut, where single linkage would keep it whole."""
    chain = np.stack([np.linspace(0, 1, 41), np.zeros(41)], axis=1)
    found = _clusters(chain, chain, 0.3)
    assert sum(c["size"] for c in found) == 41
    assert max(c["size"] for c in found) <= 13  # 0.3 / 0.025 + 1
    assert len(found) >= 4


def test_a_single_place_is_one_cluster() -> None:
    (only,) = _clusters(np.full((5, 2), 0.5), np.zeros((1, 2)), 0.3)
    assert (only["x"], only["y"], only["size"]) == (0.5, 0.5, 5)
