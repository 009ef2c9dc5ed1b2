"""Searches of a database block by block, exact up to the rounding of float64.

The search in float32 gives candidates. Their distances are computed again in float64. Where rounding in float32 might
have hidden a neighbour, all candidates that may be as near are looked at.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from .blocks import float32_slack, nearest_candidates
from .vectors import Vectors


@dataclass(frozen=True)
class Queries:
    """Vectors whose neighbours are searched."""

    vectors: Float32[np.ndarray, "q d"]
    centred: Float32[np.ndarray, "q d"]
    """The same vectors minus the centre of the database."""

    def of(self, rows: np.ndarray) -> Queries:
        """Select some rows."""
        return Queries(self.vectors[rows], self.centred[rows])


class Blocks:
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
            rows, exact = self._search_block(Queries(vectors, centred), block, wanted, squares[:, -1])
            merged = np.concatenate([best, rows + start], axis=1)
            merged_squares = np.concatenate([squares, exact], axis=1)
            order = np.lexsort((merged, merged_squares), axis=1)[:, :wanted]
            best = np.take_along_axis(merged, order, axis=1)
            squares = np.take_along_axis(merged_squares, order, axis=1)
        return best, squares

    def _search_block(
        self, queries: Queries, block: np.ndarray, wanted: int, bound: np.ndarray
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
        self, queries: Queries, block: np.ndarray, limit: np.ndarray, most: int
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
        difference = np.subtract(right[j[piece]], left[i[piece]], dtype=np.float64)
        out[piece] = np.einsum("pd,pd->p", difference, difference)
    return out
