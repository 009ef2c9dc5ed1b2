"""The exact radius graph of a set: all pairs at most a distance apart.

A table of k neighbours is not enough for connected components: it splits large ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int64

from .blocks import near_pairs
from .knn import pair_squares
from .vectors import Vectors


def radius_pairs(
    vectors: Vectors, radius: float, *, memory_mb: float = 1024, device: str = "cpu"
) -> Iterator[tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]]:
    """Blocks of pairs (i, j) of image numbers with ``distance(i, j) <= radius``.

    Byte-equal images come as a star around the first of them, and stand for each other: pairs
    between groups are those of their first images. The connected components are those of the
    whole graph. ``memory_mb`` bounds the blocks that are held, in MiB; ``device`` 'cuda' searches on a GPU.
    """
    images, embedding = vectors.images, vectors.embedding
    yield images.first[images.group], np.arange(images.size)
    # blocks of vectors, and at the worst all pairs of two blocks
    rows = int(np.clip(min(memory_mb * 2**19 / (vectors.dimension * 4 * 6), (memory_mb * 2**19 / 32) ** 0.5), 1, 4096))
    squares = embedding.squares(radius)
    count = vectors.count
    for first in range(0, count, rows):
        left = vectors.rows(first, min(first + rows, count))
        centre = left.mean(axis=0, dtype=np.float64).astype(np.float32)
        for second in range(first, count, rows):
            right = vectors.rows(second, min(second + rows, count))
            i, j = near_pairs(left - centre, right - centre, squares, device=device)
            for start in range(0, len(i), rows):
                p, q = i[start : start + rows], j[start : start + rows]
                near = embedding.distance(pair_squares(left, right, p, q, rows)) <= radius
                yield images.first[first + p[near]], images.first[second + q[near]]
