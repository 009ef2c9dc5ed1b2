"""The exact radius graph of a set: all pairs at most a distance apart.

A table of k neighbours is not enough for connected components: it splits large ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import faiss
import numpy as np
from jaxtyping import Int64

from .embeddings import Embedding
from .knn import float32_slack
from .sets import DistinctSet


def radius_pairs(
    images: DistinctSet, embedding: Embedding, radius: float, *, memory_mb: float = 1024
) -> Iterator[tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]]:
    """Blocks of pairs (i, j) of image numbers with ``distance(i, j) <= radius``.

    Byte-equal images come as a star around the first of them, and stand for each other: pairs
    between groups are those of their first images. The connected components are those of the
    whole graph. ``memory_mb`` bounds the blocks that are held, in MiB.
    """
    stars = images.first[images.group]
    yield stars, np.arange(len(images))
    dimension = embedding.dimension(images.source.shape[1:])
    # embedded blocks, and at the worst all pairs of two blocks
    rows = int(np.clip(min(memory_mb * 2**19 / (dimension * 4 * 6), (memory_mb * 2**19 / 32) ** 0.5), 1, 4096))
    squares = embedding.squares(radius)
    count = len(images.first)
    vectors_of = [images.first[start : start + rows] for start in range(0, count, rows)]
    for a, left_numbers in enumerate(vectors_of):
        left = embedding.vectors(images.source.rows(left_numbers))
        centre = left.mean(axis=0, dtype=np.float64).astype(np.float32)
        for right_numbers in vectors_of[a:]:
            right = embedding.vectors(images.source.rows(right_numbers))
            i, j = _candidates(left - centre, right - centre, squares)
            for start in range(0, len(i), rows):
                p, q = i[start : start + rows], j[start : start + rows]
                difference = left[p].astype(np.float64) - right[q]
                near = embedding.distance(np.einsum("pd,pd->p", difference, difference)) <= radius
                yield left_numbers[p[near]], right_numbers[q[near]]


def _candidates(left: np.ndarray, right: np.ndarray, squares: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs within the radius, and those that float32 rounding might have kept out."""
    largest = max(np.square(left).sum(axis=1).max(), np.square(right).sum(axis=1).max())
    slack = 2 * float32_slack(left.shape[1]) * float(largest)
    index = faiss.IndexFlatL2(right.shape[1])
    index.add(right)
    limits, _, found = index.range_search(left, float(squares + slack))
    return np.repeat(np.arange(len(left)), np.diff(limits).astype(np.int64)), found
