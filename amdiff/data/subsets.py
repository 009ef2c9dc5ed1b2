"""Nested training sets and their held-out remainder.

One permutation per dataset and seed: the training set S_K is its first K elements, so that
S_K is contained in S_K' for K < K'. What is not in S_K is held out. The stream is that of
``numpy.random.RandomState``, which is frozen for good (NEP 19).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from amdiff.errors import AmdiffError


def permutation(count: int, seed: int) -> Int64[np.ndarray, " count"]:
    """A random order of ``count`` images; the same on every machine and numpy version."""
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed))).permutation(count)


def training_subset(count: int, size: int, seed: int) -> Int64[np.ndarray, " size"]:
    """Indices of S_K: the first ``size`` of the permutation of ``count`` training images.

    Raises ``ValueError`` unless 1 <= size <= count.
    """
    if not 1 <= size <= count:
        raise AmdiffError(
            f"a training set of K = {size} images was asked for, but the dataset has {count} distinct training images; "
            f"choose K between 1 and {count}"
        )
    return permutation(count, seed)[:size]


def circle_subset(count: int, size: int, seed: int) -> Int64[np.ndarray, " size"]:
    """The toy model's subset: the first ``size`` of ``torch.randperm``, as in the published code.

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

    Images are numbered with the training part first: 0..count-1, then the test part. The test
    images come first, in a random order of their own, then the permutation from its end: so the
    held-out sets of all K agree as far as they can.
    """
    test = count + permutation(test_count, seed + 1)
    tail = permutation(count, seed)[size:][::-1]
    return np.concatenate([test, tail])[:limit]
