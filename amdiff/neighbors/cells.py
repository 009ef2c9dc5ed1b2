"""Divides the space into cells, and finds nearest neighbours within each cell."""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np
from jaxtyping import Float64, Int64

from amdiff.errors import AmdiffError

from .blocks import nearest_candidates
from .search import pair_squares
from .vectors import Vectors

LEARNED_FROM = 20_000
"""Largest number of database images from which the cells are learned."""


def cell_distances(
    queries: Sequence[Vectors], database: Vectors, cells: int, *, memory_mb: float = 1024, seed: int = 0
) -> list[tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, " n"]]]:
    """Find the cell of each query, and its distance to the nearest database image in the same cell.

    The cells are those of k-means on the vectors of the database.

    Parameters
    ----------
    queries
        Sets of images to look up.
    database
        The set in which neighbours are searched, with the same metric.
    cells
        Number of cells, at least 1; no more are made than there are distinct images in the database.
    memory_mb
        Memory for blocks of vectors, in MiB. Default 1024.
    seed
        Seed of k-means. Default 0.

    Returns
    -------
    list
        For each set of queries, the cell of each image (n,) and its distance (n,) in the metric's unit. The distance is
        inf if the cell holds no image of the database.

    Raises
    ------
    ValueError
        If there is less than one cell or the database is empty.
    """
    if cells < 1 or not database.count:
        raise AmdiffError(f"expected at least one cell and one image, got {cells} cells and {database.count} images")
    rows = int(np.clip(memory_mb * 2**20 / (database.dimension * 4 * 6), 1, 65_536))
    centres = _centres(database, min(cells, database.count), rows, seed)
    return [_nearest_in_cell(side, database, centres, rows) for side in queries]


def _centres(database: Vectors, cells: int, rows: int, seed: int) -> np.ndarray:
    step = max(1, -(-database.count // LEARNED_FROM))
    parts = [database.rows(i, min(i + rows, database.count))[::step] for i in range(0, database.count, rows)]
    learned = np.ascontiguousarray(np.concatenate(parts)[:LEARNED_FROM])
    limits = {"min_points_per_centroid": 1, "max_points_per_centroid": LEARNED_FROM}
    means = faiss.Kmeans(database.dimension, cells, niter=25, seed=seed % 2**31, **limits)
    means.train(learned)
    return np.asarray(means.centroids)


def _nearest_in_cell(
    queries: Vectors, database: Vectors, centres: np.ndarray, rows: int
) -> tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    cell, squares = np.empty(queries.count, np.int64), np.full(queries.count, np.inf)
    for start in range(0, queries.count, rows):
        left = queries.rows(start, min(start + rows, queries.count))
        here = slice(start, start + len(left))
        cell[here] = nearest_candidates(left, centres, 1)[1][:, 0]
        for first in range(0, database.count, rows):
            right = database.rows(first, min(first + rows, database.count))
            of_right = nearest_candidates(right, centres, 1)[1][:, 0]
            for number in range(len(centres)):
                q, b = np.flatnonzero(cell[here] == number), np.flatnonzero(of_right == number)
                if not len(q) or not len(b):
                    continue
                near = nearest_candidates(left[q], right[b], 1)[1][:, 0]
                exact = pair_squares(left, right, q, b[near], rows)
                squares[start + q] = np.minimum(squares[start + q], exact)
    distance = database.embedding.distance(squares)
    return cell[queries.images.group], distance[queries.images.group]
