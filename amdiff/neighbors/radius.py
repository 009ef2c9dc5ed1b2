"""The exact radius graph of a set: all pairs of images within a distance.

Use it for connected components. A table of k nearest neighbours splits large components.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int64

from .blocks import near_pairs
from .search import pair_squares
from .vectors import Vectors


def radius_pairs(
    vectors: Vectors, radius: float, *, memory_mb: float = 1024, device: str = "cpu"
) -> Iterator[tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]]:
    """Find all pairs (i, j) of images with ``distance(i, j) <= radius``.

    Byte-equal images form a group, and not all of its pairs are listed: each image of a group is paired with the first
    image of that group, and only first images are paired with images of other groups. The connected components are the
    same as those of the graph with all pairs.

    Parameters
    ----------
    vectors
        The set, from ``embed``.
    radius
        Largest distance of a pair, in the metric's unit.
    memory_mb
        Memory for blocks of vectors and pairs, in MiB. Default 1024.
    device
        'cpu', or 'cuda' to search on a GPU. Default 'cpu'.

    Yields
    ------
    tuple
        A block of pairs, as two arrays of image numbers, (p,) each. Some pairs have i = j; some come in both orders.
    """
    images, embedding = vectors.images, vectors.embedding
    yield images.first[images.group], np.arange(images.size)
    # room for blocks of vectors and, in the worst case, for all pairs of two blocks
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
