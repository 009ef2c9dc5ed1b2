"""The three classes, their order, and the attractors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from amdiff.phases.attractors import components, describe, halo
from amdiff.phases.classes import GENERALIZED, MEMORIZED, SPURIOUS, classify, fractions, ordered


def test_the_definitions() -> None:
    to_train = np.array([0.0, 0.5, 0.6, 0.6, 0.2])
    to_samples = np.array([0.0, 9.0, 0.3, 0.4, 0.1])
    found = classify(to_train, to_samples, delta_m=0.5, delta_s=0.3)
    assert found.tolist() == [MEMORIZED, MEMORIZED, SPURIOUS, GENERALIZED, MEMORIZED]


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), min_size=1), st.floats(0.01, 2), st.floats(0.01, 2))
def test_they_partition_the_samples(pairs: list[tuple[float, float]], m: float, s: float) -> None:
    to_train, to_samples = np.array(pairs).T
    counts = np.bincount(classify(to_train, to_samples, m, s), minlength=3)
    assert counts.sum() == len(pairs)
    assert counts[MEMORIZED] == (to_train <= m).sum()


@pytest.mark.parametrize("bad", [np.nan, -1.0])
def test_impossible_distances(bad: float) -> None:
    with pytest.raises(ValueError, match="non-negative"):
        classify(np.array([bad]), np.array([0.0]), 1, 1)
    with pytest.raises(ValueError, match="thresholds must be positive"):
        classify(np.array([1.0]), np.array([0.0]), 0, 1)


def test_the_order_of_the_panels() -> None:
    classes = np.array([0, 0, 1, 1, 2, 2], np.int8)
    to_train, to_samples = np.array([0.3, 0.1, 9, 9, 9, 9.0]), np.array([0, 0, 0.2, 0.1, 5, 7.0])
    assert ordered(classes, to_train, to_samples, MEMORIZED).tolist() == [1, 0]
    assert ordered(classes, to_train, to_samples, SPURIOUS).tolist() == [3, 2]
    assert ordered(classes, to_train, to_samples, GENERALIZED).tolist() == [5, 4]


def test_fractions_need_two_samples() -> None:
    with pytest.raises(ValueError, match="two samples"):
        fractions(np.zeros(1, np.int8), np.zeros((1, 2), np.int64), np.zeros((1, 2)), 1)


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_components_are_merged_in_bounded_memory(most: int) -> None:
    edges = [(0, 1), (2, 3), (3, 4), (6, 6), (4, 2), (1, 5), (5, 0)]
    stream = ((np.array([i]), np.array([j])) for i, j in edges)
    labels = components(8, stream, most)
    assert labels.tolist() == [0, 0, 1, 1, 1, 0, 2, 3]


def test_a_chain_is_one_component() -> None:
    labels = components(1000, [(np.arange(999), np.arange(1, 1000))])
    assert (labels == 0).all()


def test_attractors_memories_and_halos() -> None:
    #   a memory with a halo (0, 1, 2), a spurious attractor (3, 4), a lonely sample (5), a pair around a memory (6, 7)
    pairs = [(np.array([0, 1, 3, 6]), np.array([1, 2, 4, 7]))]
    labels = components(8, pairs)
    to_train = np.array([0.1, 0.9, 1.5, 2.0, 1.8, 3.0, 0.2, 0.7])
    to_samples = np.array([0.3, 0.2, 0.4, 0.3, 0.3, 5.0, 0.1, 0.1])
    classes = classify(to_train, to_samples, 0.5, 0.5)
    found = describe(labels, classes, to_train, to_samples)
    assert found.size.tolist() == [3, 2, 2]
    assert found.memorized.tolist() == [1, 0, 1]
    assert found.spurious.tolist() == [2, 2, 1]
    assert found.proper.tolist() == [False, True, False]
    assert found.representative.tolist() == [1, 3, 6]
    assert found.closest.tolist() == [0, 4, 6]
    assert found.train_distance.tolist() == [0.1, 1.8, 0.2]
    assert np.flatnonzero(halo(labels, classes)).tolist() == [1, 2, 7]


def test_no_attractors() -> None:
    labels = components(3, [])
    found = describe(labels, np.full(3, GENERALIZED, np.int8), np.ones(3), np.ones(3))
    assert len(found.size) == 0
    assert not halo(labels, np.full(3, GENERALIZED, np.int8)).any()
