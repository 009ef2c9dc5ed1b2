"""Nested training sets, and the held-out images that remain.

Each dataset, seed and order has one permutation. The training set S_K consists of its first K elements, so that S_K is
contained in S_K' for K < K'. Images outside S_K are held out. The random numbers are those of
``numpy.random.RandomState``, whose stream never changes (NEP 19).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from amdiff.errors import AmdiffError

Order = str | Int64[np.ndarray, " rows"]
"""Where the order of the training images comes from: 'numpy' or 'torch', or the rows themselves."""


def permutation(count: int, seed: int, order: Order = "numpy") -> Int64[np.ndarray, " count"]:
    """The order of ``count`` images, of which each training set is a prefix. It is the same on every machine.

    Parameters
    ----------
    count
        Number of images.
    seed
        Seed of a random order.
    order
        'numpy' (the default) is a permutation by numpy. 'torch' is that of ``torch.randperm`` after
        ``torch.manual_seed``, from which published checkpoints took their training sets. An array holds the first rows
        themselves; the other images follow in numpy's order.

    Raises
    ------
    ValueError
        If the rows of an array are not distinct, or lie outside 0 to count - 1.
    """
    if isinstance(order, str):
        if order == "torch":
            import torch

            return torch.randperm(count, generator=torch.Generator().manual_seed(seed)).numpy()
        return np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed))).permutation(count)
    if len(order) and not 0 <= order.min() <= order.max() < count:
        raise AmdiffError(
            f"subset_order: its rows must be 0 to {count - 1}, the training images; got {order.min()} to {order.max()}"
        )
    if len(np.unique(order)) < len(order):
        raise AmdiffError("subset_order: its rows must be distinct, got some twice")
    rest = permutation(count, seed)
    return np.concatenate([order, rest[~np.isin(rest, order)]])


def training_subset(count: int, size: int, seed: int, order: Order = "numpy") -> Int64[np.ndarray, " size"]:
    """Indices of S_K: the first ``size`` elements of the permutation of ``count`` training images.

    Raises ``ValueError`` unless 1 <= size <= count, and where an ``order`` has fewer than ``size`` rows.
    """
    if not 1 <= size <= count:
        raise AmdiffError(
            f"a training set of K = {size} images was asked for, but the dataset has {count} distinct training images; "
            f"choose K between 1 and {count}"
        )
    if not isinstance(order, str) and len(order) < size:
        raise AmdiffError(f"subset_order: it has {len(order)} rows, which are too few for K = {size}")
    return permutation(count, seed, order)[:size]


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


def heldout_subset(
    count: int, test_count: int, size: int, seed: int, limit: int, order: Order = "numpy"
) -> Int64[np.ndarray, " heldout"]:
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
    order
        Order of the training images, as for ``permutation``.
    """
    test = count + permutation(test_count, seed + 1)
    tail = permutation(count, seed, order)[size:][::-1]
    return np.concatenate([test, tail])[:limit]
