"""Exact nearest neighbours, block by block.

FAISS computes squared distances by expanding the norm. This loses precision near zero, where duplicates lie. So

- vectors are centred, and each block gives k + margin candidates;
- the distances of candidates are computed again, directly, in float64;
- if rounding may have hidden a neighbour, all vectors that may be as near are computed again too.

Byte-equal images are searched once and have distance exactly 0. If a set is searched for its own neighbours, an image
is excluded from its own list by its number, never by its position in the list.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from amdiff.errors import AmdiffError

from .blocks import float32_slack, nearest_candidates
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
        """Return the table without one neighbour of each query, so with one column less.

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
    blocks = _Blocks(database, memory_mb, wanted + MARGIN, device)
    index = np.full((left.size, k), -1, np.int64)
    distance = np.full((left.size, k), np.inf)
    for start in range(0, queries.count, blocks.rows):
        stop = min(start + blocks.rows, queries.count)
        near, squares = blocks.search(queries.rows(start, stop), wanted)
        groups = np.arange(start, stop)
        equal = groups if exclude_self else _equal_groups(left, right, groups)
        squares[near == equal[:, None]] = 0.0
        metric = database.embedding.distance(squares)
        for row, group in enumerate(groups):
            for query in left.members[group].tolist():
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
    """Expand the nearest distinct images to the k nearest images, with ties ordered by number."""
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


@dataclass(frozen=True)
class _Queries:
    """Vectors whose neighbours are searched."""

    vectors: Float32[np.ndarray, "q d"]
    centred: Float32[np.ndarray, "q d"]
    """The same vectors minus the centre of the database."""

    def of(self, rows: np.ndarray) -> _Queries:
        """Select some rows."""
        return _Queries(self.vectors[rows], self.centred[rows])


class _Blocks:
    """Searches the distinct images of a database, block by block."""

    def __init__(self, database: Vectors, memory_mb: float, candidates: int, device: str) -> None:
        self.database, self.candidates, self.device = database, candidates, device
        # room for two blocks of float32 vectors, for copies while they are made and centred, and for the candidates
        self.rows = int(np.clip(memory_mb * 2**20 / (database.dimension * 4 * 6 + candidates * 96), 1, 65_536))
        self.pairs = max(1, int(memory_mb * 2**20 / (database.dimension * 20 * 8)))
        self.cells = memory_mb * 2**20 / 8 / 48
        head = database.rows(0, min(self.rows, database.count))
        self.centre = head.mean(axis=0, dtype=np.float64).astype(np.float32)

    def search(
        self, vectors: Float32[np.ndarray, "q d"], wanted: int
    ) -> tuple[Int64[np.ndarray, "q w"], Float64[np.ndarray, "q w"]]:
        """Return groups and squared distances of the nearest distinct images, (q, wanted), padded by -1 and inf."""
        best = np.full((len(vectors), wanted), -1, np.int64)
        squares = np.full((len(vectors), wanted), np.inf)
        centred = vectors - self.centre
        for start in range(0, self.database.count, self.rows):
            block = self.database.rows(start, min(start + self.rows, self.database.count))
            rows, exact = self._search_block(_Queries(vectors, centred), block, wanted, squares[:, -1])
            merged = np.concatenate([best, rows + start], axis=1)
            merged_squares = np.concatenate([squares, exact], axis=1)
            order = np.lexsort((merged, merged_squares), axis=1)[:, :wanted]
            best = np.take_along_axis(merged, order, axis=1)
            squares = np.take_along_axis(merged_squares, order, axis=1)
        return best, squares

    def _search_block(
        self, queries: _Queries, block: np.ndarray, wanted: int, bound: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return candidate rows of one block and their exact squared distances, (q, c). They include the nearest rows.

        ``bound`` (q,) is the squared distance of the farthest wanted neighbour in the blocks before. Rows farther than
        that do not matter. A row that the search left out is at least as far as the last candidate, up to rounding. If
        the farthest wanted neighbour is not nearer than that candidate, as among many near copies of one image, the
        exact distances of all rows that may be as near are computed.
        """
        shifted = block - self.centre
        approximate, rows = nearest_candidates(queries.centred, shifted, self.candidates, device=self.device)
        norms = np.einsum("qd,qd->q", queries.centred, queries.centred)
        slack = float32_slack(block.shape[1]) * (np.einsum("bd,bd->b", shifted, shifted).max() + norms)
        exact = np.full(rows.shape, np.inf)
        # the farthest wanted neighbour lies within its approximate distance plus the slack, and so do all nearer ones
        reach = np.minimum(bound, approximate[:, min(wanted, len(block)) - 1] + slack) + slack
        query, candidate = np.nonzero(approximate <= reach[:, None])
        exact[query, candidate] = pair_squares(queries.vectors, block, query, rows[query, candidate], self.pairs)
        if rows.shape[1] == len(block):
            return rows, exact
        last = np.minimum(np.partition(exact, wanted - 1, axis=1)[:, wanted - 1], bound)
        unsure = np.flatnonzero(last >= approximate[:, -1] - slack)
        step = max(1, int(self.cells / len(block)))
        for start in range(0, len(unsure), step):
            q = unsure[start : start + step]
            found = self._within(queries.of(q), block, (last + slack)[q], rows.shape[1])
            exact[q] = np.inf
            for number, near, squares in found:
                rows[q[number], : len(near)] = near
                exact[q[number], : len(near)] = squares
        return rows, exact

    def _within(
        self, queries: _Queries, block: np.ndarray, limit: np.ndarray, most: int
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Find the nearest rows of each query, at most ``most``, among the rows within its ``limit``.

        ``limit`` (q,) bounds the approximate squared distance.
        Yields (number of the query, rows, exact squared distances), ordered by distance and then by row.
        """
        shifted = block - self.centre
        left = queries.centred
        norms = np.einsum("qd,qd->q", left, left)[:, None] + np.einsum("bd,bd->b", shifted, shifted)
        q, j = np.nonzero(norms - 2 * (left @ shifted.T) <= limit[:, None])
        squares = pair_squares(queries.vectors, block, q, j, self.pairs)
        order = np.lexsort((j, squares, q))
        q, j, squares = q[order], j[order], squares[order]
        ends = np.searchsorted(q, np.arange(len(left) + 1))
        for number, (start, stop) in enumerate(itertools.pairwise(ends.tolist())):
            stop = min(stop, start + most)
            yield number, j[start:stop], squares[start:stop]


def pair_squares(
    left: Float32[np.ndarray, "q d"],
    right: Float32[np.ndarray, "b d"],
    i: Int64[np.ndarray, " p"],
    j: Int64[np.ndarray, " p"],
    most: int,
) -> Float64[np.ndarray, " p"]:
    """Compute the squared distance of each pair of rows directly, in float64.

    Parameters
    ----------
    left, right
        Vectors, (q, d) and (b, d).
    i, j
        Row numbers of each pair, (p,) in ``left`` and (p,) in ``right``.
    most
        Largest number of pairs that are computed at a time; it bounds the memory in use.

    Returns
    -------
    array
        The squared distances, (p,).
    """
    out = np.empty(len(i))
    for start in range(0, len(i), most):
        piece = slice(start, start + most)
        difference = right[j[piece]].astype(np.float64)
        difference -= left[i[piece]]
        out[piece] = np.einsum("pd,pd->p", difference, difference)
    return out
