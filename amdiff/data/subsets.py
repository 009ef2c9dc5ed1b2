"""Nested training sets, and the held-out images that remain.

Each dataset and seed has one permutation. The training set S_K consists of its first K elements, so that S_K is
contained in S_K' for K < K'. Images outside S_K are held out. The random numbers are those of
``numpy.random.RandomState``, whose stream never changes (NEP 19).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from amdiff.errors import AmdiffError


def permutation(count: int, seed: int) -> Int64[np.ndarray, " count"]:
    """A random order of ``count`` images. It is the same on every machine and with every version of numpy."""
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed))).permutation(count)


def training_subset(count: int, size: int, seed: int) -> Int64[np.ndarray, " size"]:
    """Indices of S_K: the first ``size`` elements of the permutation of ``count`` training images.

    Raises ``ValueError`` unless 1 <= size <= count.
    """
    if not 1 <= size <= count:
        raise AmdiffError(
            f"a training set of K = {size} images was asked for, but the dataset has {count} distinct training images; "
            f"choose K between 1 and {count}"
        )
    return permutation(count, seed)[:size]


def circle_subset(count: int, size: int, seed: int) -> Int64[np.ndarray, " size"]:
    """Indices of the toy model's training set: the first ``size`` of ``torch.randperm``, as in the published code.

    Raises ``ValueError`` unless 1 <= size <= count.
    """
    import torch

    if not 1 <= size <= count:
        raise AmdiffError(
            f"K = {size} points were asked for, but the circle has {count}; choose K between 1 and {count}"
        )
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:size].numpy()


def heldout_subset(count: int, test_count: int, size: int, seed: int, limit: int) -> Int64[np.ndarray, " heldout"]:
    """Indices of at most ``limit`` images that are not in S_K.

    The test images come first, in a random order. The training images outside S_K follow, from the end of the
    permutation. So the held-out sets of different K have as many images in common as possible.

    Parameters
    ----------
    count
        Number of images in the training part, which have the indices 0 to count - 1.
    test_count
        Number of images in the test part, which have the indices that follow.
    size
        Size K of the training set.
    seed
        Seed of the permutations.
    limit
        Largest number of held-out images.
    """
    test = count + permutation(test_count, seed + 1)
    tail = permutation(count, seed)[size:][::-1]
    return np.concatenate([test, tail])[:limit]
