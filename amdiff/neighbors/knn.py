"""Exact nearest neighbours, block by block.

FAISS computes squared distances by expanding the norm. This loses precision near zero, where duplicates lie. So

- vectors are centred, and each block gives k + margin candidates;
- the distances of candidates are computed again, directly, in float64;
- if rounding may have hidden a neighbour, all vectors that may be as near are computed again too.

Byte-equal images are searched once and have distance exactly 0. If a set is searched for its own neighbours, an image
is excluded from its own list by its number, never by its position in the list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from amdiff.errors import AmdiffError

from .search import Blocks
from .sets import DistinctSet
from .vectors import Vectors

MARGIN = 16
"""Number of candidates beyond k that FAISS gives, so that its rounding rarely matters."""


@dataclass(frozen=True)
class NeighborTable:
    """The k nearest neighbours of each query, ordered by distance and then by number."""

    index: Int64[np.ndarray, "n k"]
    """Number of each neighbour, its position in the database, (n, k); -1 if there are fewer than k."""
    distance: Float64[np.ndarray, "n k"]
    """Distance to each neighbour in the metric's unit, (n, k); inf if there are fewer than k."""

    @property
    def nearest(self) -> Float64[np.ndarray, " n"]:
        """Distance of each query to its nearest neighbour, (n,)."""
        return self.distance[:, 0]

    def without(self, itself: Int64[np.ndarray, " n"]) -> NeighborTable:
        """Return the table without one neighbour of each query. It has one column fewer.

        ``itself`` (n,) gives the number of the neighbour to remove. If it is not among the neighbours of a query, the
        last neighbour is removed.
        """
        drop = self.index == itself[:, None]
        drop[~drop.any(axis=1), -1] = True
        shape = (len(drop), drop.shape[1] - 1)
        return NeighborTable(self.index[~drop].reshape(shape), self.distance[~drop].reshape(shape))


def nearest_neighbors(
    queries: Vectors,
    database: Vectors,
    k: int,
    *,
    memory_mb: float = 1024,
    device: str = "cpu",
    callback: Callable[[int], None] = lambda done: None,
) -> NeighborTable:
    """Find the k nearest neighbours in ``database`` of each of the ``queries``.

    The result is exact. Ties are ordered by number. If ``queries`` and ``database`` are the same object, no image is
    its own neighbour.

    Parameters
    ----------
    queries
        The set whose neighbours are searched, from ``embed``.
    database
        The set in which they are searched, from ``embed`` with the same metric and images of the same shape.
    k
        Number of neighbours, at least 1.
    memory_mb
        Memory for blocks of vectors, in MiB. Default 1024.
    device
        'cpu', or 'cuda' to search on a GPU. On a GPU, PyTorch's TF32 must be off, as it is by default. Default 'cpu'.
    callback
        Function that is called after each block with the number of distinct queries that are finished.

    Returns
    -------
    NeighborTable
        Numbers and distances of the neighbours, (n, k) each, in the order of the queries.

    Raises
    ------
    ValueError
        If the sets differ in metric or in the shape of their images, or if k < 1.
    """
    for part in (queries, database):
        if not isinstance(part, Vectors):
            raise AmdiffError(f"expected a set from neighbors.embed, got {type(part).__name__}")
    left, right = queries.images, database.images
    if k < 1:
        raise AmdiffError(f"the number of neighbours must be at least 1, got k = {k}")
    if queries.embedding != database.embedding:
        raise AmdiffError(
            f"queries by {queries.embedding.label!r} cannot be compared with a database by "
            f"{database.embedding.label!r}; embed both with the same metric"
        )
    if left.source.shape[1:] != right.source.shape[1:]:
        raise AmdiffError(
            f"images of shape {left.source.shape[1:]} cannot be compared with images of shape {right.source.shape[1:]}"
        )
    if not left.size or not right.size:
        return NeighborTable(np.full((left.size, k), -1, np.int64), np.full((left.size, k), np.inf))
    exclude_self = queries is database
    wanted = k + 1 if exclude_self else k
    blocks = Blocks(database, memory_mb, wanted + MARGIN, device)
    index = np.full((left.size, k), -1, np.int64)
    distance = np.full((left.size, k), np.inf)
    for start in range(0, queries.count, blocks.rows):
        stop = min(start + blocks.rows, queries.count)
        near, squares = blocks.search(queries.rows(start, stop), wanted)
        groups = np.arange(start, stop)
        equal = groups if exclude_self else _equal_groups(left, right, groups)
        squares[(near == equal[:, None]) & (near >= 0)] = 0.0
        metric = database.embedding.distance(squares)
        alone = left.alone[groups] & (right.alone[near] | (near < 0)).all(axis=1)
        table = NeighborTable(np.where(near < 0, -1, right.first[near])[alone], metric[alone])
        queried = left.first[groups[alone]]
        table = table.without(queried) if exclude_self else table
        index[queried], distance[queried] = table.index, table.distance
        for row in np.flatnonzero(~alone):
            for query in left.members[groups[row]].tolist():
                numbers, values = _expand(near[row], metric[row], right, k, query if exclude_self else -1)
                index[query, : len(numbers)] = numbers
                distance[query, : len(values)] = values
        callback(stop)
    return NeighborTable(index, distance)


def _equal_groups(queries: DistinctSet, database: DistinctSet, groups: np.ndarray) -> np.ndarray:
    """Return, for each group of queries, the group of the database with the same bytes, or -1 if there is none."""
    names = {number: key for key, number in queries.keys.items()}
    return np.array([database.keys.get(names[g], -1) for g in groups], np.int64)


def _expand(
    near: np.ndarray, metric: np.ndarray, database: DistinctSet, k: int, itself: int
) -> tuple[np.ndarray, np.ndarray]:
    """Expand the nearest distinct images to the k nearest images, with ties ordered by number.

    Where no image has an equal one, there is nothing to expand: distinct images are ordered in the same way.
    """
    numbers: list[np.ndarray] = []
    values: list[np.ndarray] = []
    found = 0
    for group, value in zip(near, metric, strict=True):
        if group < 0 or (found >= k and value > values[-1][0]):
            break
        members = database.members[group][: k + 1]
        members = members[members != itself]
        if len(members):
            numbers.append(members)
            values.append(np.full(len(members), value))
            found += len(members)
    if not found:
        return np.empty(0, np.int64), np.empty(0)
    flat, distances = np.concatenate(numbers), np.concatenate(values)
    order = np.lexsort((flat, distances))[:k]
    return flat[order], distances[order]
