"""Which samples the landscape is looked at from."""

from __future__ import annotations

import numpy as np

from amdiff.landscape.targets import choose_samples


def test_the_clearest_of_each_class_that_is_large_enough() -> None:
    n = 400
    classes = np.full(n, 2, np.int8)
    classes[:10] = 0
    classes[10:13] = 1  # 0.75 % of the samples
    to_train = np.linspace(1, 0, n)
    to_samples = np.linspace(0, 1, n)
    found = choose_samples(classes, to_train, to_samples, 4, 0.01)
    assert found["memorized"].tolist() == [9, 8, 7, 6]  # closest to S first
    assert found["generalized"].tolist() == [399, 398, 397, 396]  # farthest from other samples first
    assert "spurious" not in found
    assert choose_samples(classes, to_train, to_samples, 4, 0.005)["spurious"].tolist() == [10, 11, 12]


def test_one_sample_is_no_class() -> None:
    classes = np.array([0, 2, 2], np.int8)
    assert list(choose_samples(classes, np.ones(3), np.ones(3), 5, 0.0)) == ["generalized"]
