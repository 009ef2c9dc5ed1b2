"""Exact nearest neighbours over blocks.

FAISS computes squared distances by expanding the norm, which loses precision near zero, exactly
where duplicates lie. So vectors are centred, each block gives k + margin candidates, and the
candidates' distances are recomputed directly in float64; where rounding might have hidden a neighbour, all that
may be as near are. Byte-equal images are searched once and
have distance exactly 0. "Itself" is excluded by number, never by position in the list.
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
"""Candidates beyond k that FAISS gives, so that its rounding rarely matters."""


@dataclass(frozen=True)
class NeighborTable:
    """k nearest neighbours of each query, by increasing (distance, number)."""

    index: Int64[np.ndarray, "n k"]
    """Number of the neighbour; -1 where there are fewer than k."""
    distance: Float64[np.ndarray, "n k"]
    """In the metric's unit; inf where there are fewer than k."""

    @property
    def nearest(self) -> Float64[np.ndarray, " n"]:
        """Distance to the nearest neighbour."""
        return self.distance[:, 0]

    def without(self, itself: Int64[np.ndarray, " n"]) -> NeighborTable:
        """The table without the neighbour ``itself`` of each query, or its last one where that is not among them.

        One column less.
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
    """The k nearest of ``database`` for each of ``queries``; without itself if both are the same object.

    ``memory_mb`` bounds the blocks that are held, in MiB. ``device`` 'cuda' searches on a GPU, where PyTorch's TF32
    must be off, as by default. ``callback`` hears the number of distinct queries done. Raises ``ValueError`` where the
    images differ in shape or in metric, or for k < 1.
    """
    for part in (queries, database):
        if not isinstance(part, Vectors):
            raise AmdiffError(f"expected sets that neighbors.embed made, got {type(part).__name__}")
    left, right = queries.images, database.images
    if k < 1:
        raise AmdiffError(f"k neighbours were asked for with k = {k}; at least one is needed")
    if queries.embedding != database.embedding:
        raise AmdiffError(
            f"queries by {queries.embedding.label!r} cannot be compared with {database.embedding.label!r}"
        )
    if left.source.shape[1:] != right.source.shape[1:]:
        raise AmdiffError(f"images of {left.source.shape[1:]} cannot be compared with {right.source.shape[1:]}")
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
    """For each query group the database group with the same bytes, or -1."""
    names = {number: key for key, number in queries.keys.items()}
    return np.array([database.keys.get(names[g], -1) for g in groups], np.int64)


def _expand(
    near: np.ndarray, metric: np.ndarray, database: DistinctSet, k: int, itself: int
) -> tuple[np.ndarray, np.ndarray]:
    """From the nearest distinct images to the nearest images, ties by number."""
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
    """Vectors whose neighbours are looked for."""

    vectors: Float32[np.ndarray, "q d"]
    centred: Float32[np.ndarray, "q d"]
    """The same, less the centre of the database."""

    def of(self, rows: np.ndarray) -> _Queries:
        """Some of them."""
        return _Queries(self.vectors[rows], self.centred[rows])


class _Blocks:
    """The distinct images of a database as vectors, block after block."""

    def __init__(self, database: Vectors, memory_mb: float, candidates: int, device: str) -> None:
        self.database, self.candidates, self.device = database, candidates, device
        # two blocks of vectors in float32, once more while they are made and centred, and the candidates
        self.rows = int(np.clip(memory_mb * 2**20 / (database.dimension * 4 * 6 + candidates * 96), 1, 65_536))
        self.pairs = max(1, int(memory_mb * 2**20 / (database.dimension * 20 * 8)))
        self.cells = memory_mb * 2**20 / 8 / 48
        head = database.rows(0, min(self.rows, database.count))
        self.centre = head.mean(axis=0, dtype=np.float64).astype(np.float32)

    def search(
        self, vectors: Float32[np.ndarray, "q d"], wanted: int
    ) -> tuple[Int64[np.ndarray, "q w"], Float64[np.ndarray, "q w"]]:
        """Groups and squared distances of the nearest distinct images, (q, wanted), padded by -1 and inf."""
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
        """Candidate rows of one block and their exact squared distances, (q, c), that hold the nearest.

        Only what may lie within ``bound``, (q,), is of interest: the last one wanted of the blocks before. What the
        search left out is at least as far as the last candidate it gave, up to its rounding. Where the last one wanted
        is not nearer than that, as among many near copies of one image, all that may be as near is measured.
        """
        shifted = block - self.centre
        approximate, rows = nearest_candidates(queries.centred, shifted, self.candidates, device=self.device)
        norms = np.einsum("qd,qd->q", queries.centred, queries.centred)
        slack = float32_slack(block.shape[1]) * (np.einsum("bd,bd->b", shifted, shifted).max() + norms)
        exact = np.full(rows.shape, np.inf)
        # the last one wanted lies within its approximate distance and the slack; so does all that is nearer
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
        """For each query the ``most`` nearest rows of all whose approximate distance is within its ``limit``.

        (number of the query, rows, exact squared distances), by increasing distance and row.
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
    """Squared distance of each pair (row i of ``left``, row j of ``right``) in float64, ``most`` at a time."""
    out = np.empty(len(i))
    for start in range(0, len(i), most):
        piece = slice(start, start + most)
        difference = right[j[piece]].astype(np.float64)
        difference -= left[i[piece]]
        out[piece] = np.einsum("pd,pd->p", difference, difference)
    return out
