"""The exact radius graph of a set: all pairs of images within a distance.

Use it for connected components and for numbers of neighbours. A table of k nearest neighbours splits large components,
and it holds no more than k neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float64, Int64

from amdiff.errors import AmdiffError

from .blocks import near_pairs
from .search import pair_squares
from .sets import DistinctSet
from .vectors import Vectors


def radius_pairs(
    vectors: Vectors, radius: float, *, memory_mb: float = 1024, device: str = "cpu"
) -> Iterator[tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]]:
    """Find pairs (i, j) of images with ``distance(i, j) <= radius``, so many that all components are found.

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
        A block of pairs, as two arrays of image numbers, (p,) each. Some pairs have i = j.
    """
    images = vectors.images
    yield images.first[images.group], np.arange(images.size)
    for a, b, _ in distinct_pairs(vectors, radius, memory_mb=memory_mb, device=device):
        yield images.first[a], images.first[b]


def distinct_pairs(
    vectors: Vectors, radius: float, *, memory_mb: float = 1024, device: str = "cpu"
) -> Iterator[tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"], Float64[np.ndarray, " p"]]]:
    """Find all pairs of distinct images with ``distance <= radius``, each pair once.

    The parameters are those of ``radius_pairs``. Yields blocks of pairs: the numbers of both distinct images, (p,)
    each, and their distances (p,) in the metric's unit.
    """
    yield from _blocks(vectors, vectors, radius, memory_mb, device)


def cross_pairs(
    one: Vectors, other: Vectors, radius: float, *, memory_mb: float = 1024, device: str = "cpu"
) -> Iterator[tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]]:
    """Find all pairs of a distinct image of one set and one of another set with ``distance <= radius``.

    The parameters are those of ``radius_pairs``. Yields blocks of pairs: the numbers of both distinct images, (p,)
    each.
    """
    for a, b, _ in _blocks(one, other, radius, memory_mb, device):
        yield a, b


def cross_counts(
    queries: Vectors,
    database: Vectors,
    radius: float,
    parts: Int64[np.ndarray, " m"],
    *,
    memory_mb: float = 1024,
    device: str = "cpu",
) -> Int64[np.ndarray, "n p"]:
    """Count the images of another set within a radius of each image, by part of the other set.

    Parameters
    ----------
    queries
        The images whose neighbours are counted, n in all.
    database
        The other set, of m images.
    radius
        Largest distance of a neighbour, in the metric's unit.
    parts
        Number of the part of each image of the database, (m,), from 0.
    memory_mb, device
        As for ``radius_pairs``.
    """
    counts = CrossCounts(queries.images, database.images, parts)
    for a, b in cross_pairs(queries, database, radius, memory_mb=memory_mb, device=device):
        counts.add(a, b)
    return counts.within_parts()


def _blocks(
    one: Vectors, other: Vectors, radius: float, memory_mb: float, device: str
) -> Iterator[tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"], Float64[np.ndarray, " p"]]]:
    """Yield the near pairs of distinct images of two sets with their distances; within one set, each pair once."""
    embedding = one.embedding
    # room for blocks of vectors and, in the worst case, for all pairs of two blocks
    rows = int(np.clip(min(memory_mb * 2**19 / (one.dimension * 4 * 6), (memory_mb * 2**19 / 32) ** 0.5), 1, 4096))
    squares = embedding.squares(radius)
    for first in range(0, one.count, rows):
        left = one.rows(first, min(first + rows, one.count))
        centre = left.mean(axis=0, dtype=np.float64).astype(np.float32)
        for second in range(first if one is other else 0, other.count, rows):
            right = other.rows(second, min(second + rows, other.count))
            i, j = near_pairs(left - centre, right - centre, squares, device=device)
            if one is other:
                once = first + i < second + j
                i, j = i[once], j[once]
            for start in range(0, len(i), rows):
                p, q = i[start : start + rows], j[start : start + rows]
                distance = embedding.distance(pair_squares(left, right, p, q, rows))
                near = distance <= radius
                yield first + p[near], second + q[near], distance[near]


class CrossCounts:
    """Counts, for each image of a set, the near images of another set, by part of the other set.

    Parameters
    ----------
    queries
        The set whose neighbours are counted, n images in all.
    database
        The other set, of m images.
    parts
        Number of the part of each image of the database, (m,), from 0.
    """

    def __init__(self, queries: DistinctSet, database: DistinctSet, parts: Int64[np.ndarray, " m"]) -> None:
        self.queries = queries
        self._sizes = np.zeros((database.distinct, int(parts.max()) + 1), np.int64)
        np.add.at(self._sizes, (database.group, parts), 1)
        self._near = np.zeros((queries.distinct, self._sizes.shape[1]), np.int64)

    def add(self, a: Int64[np.ndarray, " p"], b: Int64[np.ndarray, " p"]) -> None:
        """Count a block of pairs of distinct images, from ``cross_pairs``."""
        np.add.at(self._near, a, self._sizes[b])

    def within_parts(self) -> Int64[np.ndarray, "n parts"]:
        """Return the number of near images of each part of the other set, for each image (n, parts)."""
        return np.asarray(self._near[self.queries.group])


class RadiusCounts:
    """Counts, for each image of a set, the other images within given radii.

    Parameters
    ----------
    images
        The set, with its groups of byte-equal images.
    radii
        Radii in the metric's unit.
    parts
        Number of the part that each image belongs to, (n,), from 0. For the first radius, neighbours are also counted
        for each part. Default None: they are not.
    """

    def __init__(
        self, images: DistinctSet, radii: Sequence[float], parts: Int64[np.ndarray, " n"] | None = None
    ) -> None:
        self.images, self.radii, self.parts = images, tuple(radii), parts
        self._sizes = np.bincount(images.group, minlength=images.distinct)
        self._near = np.zeros((len(self.radii), images.distinct), np.int64)
        self._members = np.argsort(images.group, kind="stable")
        self._begins = np.cumsum(self._sizes) - self._sizes
        shape = (images.distinct, 0 if parts is None else int(parts.max()) + 1)
        self._by_part = np.zeros(shape, np.int32)

    def add(self, a: Int64[np.ndarray, " p"], b: Int64[np.ndarray, " p"], distance: Float64[np.ndarray, " p"]) -> None:
        """Count a block of pairs of distinct images, from ``distinct_pairs`` with the largest of the radii."""
        for place, radius in enumerate(self.radii):
            within = distance <= radius
            for one, other in ((a[within], b[within]), (b[within], a[within])):
                np.add.at(self._near[place], one, self._sizes[other])
                if place == 0 and self.parts is not None:
                    self._count_members(one, other)

    def within(self, radius: float) -> Int64[np.ndarray, " n"]:
        """Return the number of other images within one of the radii, for each image (n,)."""
        place = self.radii.index(radius)
        return (self._near[place] + self._sizes - 1)[self.images.group]

    def within_parts(self) -> Int64[np.ndarray, "n parts"]:
        """Return the number of other images of each part within the first radius, for each image (n, parts)."""
        equal = np.zeros_like(self._by_part)
        np.add.at(equal, (self.images.group, self.parts_given), 1)
        found = (self._by_part + equal)[self.images.group].astype(np.int64)
        found[np.arange(len(found)), self.parts_given] -= 1
        return found

    @property
    def parts_given(self) -> Int64[np.ndarray, " n"]:
        """Number of the part of each image, (n,). Raises ``ValueError`` where no parts were given."""
        if self.parts is None:
            raise AmdiffError("neighbours were not counted by part; give 'parts'")
        return self.parts

    def _count_members(self, one: Int64[np.ndarray, " p"], other: Int64[np.ndarray, " p"]) -> None:
        """Count all images that are byte-equal to ``other`` as neighbours of ``one``, in their parts."""
        times = self._sizes[other]
        pair = np.repeat(np.arange(len(other)), times)
        offset = np.arange(len(pair)) - np.repeat(np.cumsum(times) - times, times)
        member = self._members[self._begins[other][pair] + offset]
        np.add.at(self._by_part, (one[pair], self.parts_given[member]), 1)
