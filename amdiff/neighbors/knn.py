"""Exact nearest neighbours over blocks.

FAISS computes squared distances by expanding the norm, which loses precision near zero, exactly
where duplicates lie. So vectors are centred, each block gives k + margin candidates, and the
candidates' distances are recomputed directly in float64; where rounding might have hidden a neighbour, the
query is compared with the whole block. Byte-equal images are searched once and
have distance exactly 0. "Itself" is excluded by number, never by position in the list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
from jaxtyping import Float32, Float64, Int64

from .embeddings import Embedding
from .sets import DistinctSet

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


def nearest_neighbors(
    queries: DistinctSet,
    database: DistinctSet,
    embedding: Embedding,
    k: int,
    *,
    memory_mb: float = 1024,
    callback: Callable[[int], None] = lambda done: None,
) -> NeighborTable:
    """The k nearest of ``database`` for each of ``queries``; without itself if both are the same object.

    ``memory_mb`` bounds the blocks that are held, in MiB. ``callback`` hears the number of
    distinct queries done. Raises ``ValueError`` where the images differ in shape.
    """
    if queries.source.shape[1:] != database.source.shape[1:]:
        raise ValueError(f"images of {queries.source.shape[1:]} cannot be compared with {database.source.shape[1:]}")
    if not len(queries) or not len(database):
        return NeighborTable(np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), np.inf))
    exclude_self = queries is database
    wanted = k + 1 if exclude_self else k
    blocks = _Blocks(embedding, database, memory_mb, wanted + MARGIN)
    index = np.full((len(queries), k), -1, np.int64)
    distance = np.full((len(queries), k), np.inf)
    query_groups = queries.members
    for start in range(0, len(queries.first), blocks.rows):
        groups = np.arange(start, min(start + blocks.rows, len(queries.first)))
        vectors = embedding.vectors(queries.source.rows(queries.first[groups]))
        near, squares = blocks.search(vectors, wanted)
        equal = _equal_groups(queries, database, groups)
        squares[near == equal[:, None]] = 0.0
        metric = embedding.distance(squares)
        for row, group in enumerate(groups):
            for query in query_groups[group].tolist():
                numbers, values = _expand(near[row], metric[row], database, k, query if exclude_self else -1)
                index[query, : len(numbers)] = numbers
                distance[query, : len(values)] = values
        callback(int(groups[-1]) + 1)
    return NeighborTable(index, distance)


def _equal_groups(queries: DistinctSet, database: DistinctSet, groups: np.ndarray) -> np.ndarray:
    """For each query group the database group with the same bytes, or -1."""
    if queries is database:
        return groups
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


class _Blocks:
    """The distinct images of a database, embedded block after block."""

    def __init__(self, embedding: Embedding, database: DistinctSet, memory_mb: float, candidates: int) -> None:
        self.embedding, self.database, self.candidates = embedding, database, candidates
        self.dimension = embedding.dimension(database.source.shape[1:])
        # two embedded blocks in float32, once more while they are made and centred, and the candidates
        self.rows = int(np.clip(memory_mb * 2**20 / (self.dimension * 4 * 6 + candidates * 96), 1, 65_536))
        self.pairs = max(1, int(memory_mb * 2**20 / (self.dimension * 8 * 4)))
        head = database.first[: self.rows]
        self.centre = embedding.vectors(database.source.rows(head)).mean(axis=0, dtype=np.float64).astype(np.float32)

    def search(
        self, vectors: Float32[np.ndarray, "q d"], wanted: int
    ) -> tuple[Int64[np.ndarray, "q w"], Float64[np.ndarray, "q w"]]:
        """Groups and squared distances of the nearest distinct images, (q, wanted), padded by -1 and inf."""
        best = np.full((len(vectors), wanted), -1, np.int64)
        squares = np.full((len(vectors), wanted), np.inf)
        centred = vectors - self.centre
        for start in range(0, len(self.database.first), self.rows):
            block = self.embedding.vectors(self.database.source.rows(self.database.first[start : start + self.rows]))
            rows, exact = self._search_block(vectors, centred, block, wanted)
            merged = np.concatenate([best, rows + start], axis=1)
            merged_squares = np.concatenate([squares, exact], axis=1)
            order = np.lexsort((merged, merged_squares), axis=1)[:, :wanted]
            best = np.take_along_axis(merged, order, axis=1)
            squares = np.take_along_axis(merged_squares, order, axis=1)
        return best, squares

    def _search_block(
        self, vectors: np.ndarray, centred: np.ndarray, block: np.ndarray, wanted: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Candidate rows of one block and their exact squared distances, (q, c), certain to hold the nearest.

        What FAISS left out is at least as far as the last candidate it gave, up to its rounding. Where the last
        one wanted is not nearer than that, the query is compared with the whole block directly.
        """
        shifted = block - self.centre
        approximate, rows = faiss.knn(centred, shifted, min(self.candidates, len(block)))
        exact = pair_squares(vectors, block, rows, self.pairs)
        if rows.shape[1] == len(block):
            return rows, exact
        largest = np.square(shifted).sum(axis=1).max() + np.square(centred).sum(axis=1)
        slack = float32_slack(self.dimension) * largest
        last = np.partition(exact, wanted - 1, axis=1)[:, wanted - 1]
        everything = np.arange(len(block))[None]
        for query in np.flatnonzero(last >= approximate[:, -1] - slack):
            squares = pair_squares(vectors[query : query + 1], block, everything, self.pairs)[0]
            rows[query] = np.argsort(squares, kind="stable")[: rows.shape[1]]
            exact[query] = squares[rows[query]]
        return rows, exact


def float32_slack(dimension: int) -> float:
    """Rounding of a squared distance by norm expansion in float32, relative to the larger squared norm.

    Errors of a sum of ``dimension`` products grow as its root; the factor is generous.
    """
    return float(np.finfo(np.float32).eps) * max(64.0, 4.0 * dimension**0.5)


def pair_squares(
    left: Float32[np.ndarray, "q d"], right: Float32[np.ndarray, "b d"], rows: Int64[np.ndarray, "q c"], pairs: int
) -> Float64[np.ndarray, "q c"]:
    """Squared distance of each left vector to its candidate rows of ``right``, directly in float64.

    About ``pairs`` differences are held at a time.
    """
    out = np.empty(rows.shape)
    step = max(1, pairs // rows.shape[1])
    for start in range(0, len(left), step):
        queries = slice(start, start + step)
        for first in range(0, rows.shape[1], pairs):
            columns = slice(first, first + pairs)
            difference = right[rows[queries, columns]].astype(np.float64) - left[queries, None, :]
            out[queries, columns] = np.einsum("qcd,qcd->qc", difference, difference)
    return out
