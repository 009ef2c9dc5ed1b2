"""Sets of images as vectors, which are read in blocks."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64

from .embeddings import Embedding
from .sets import DistinctSet


@runtime_checkable
class VectorStore(Protocol):
    """A store that keeps vectors, for example on disk."""

    def write(self, start: int, vectors: Float32[np.ndarray, "n d"]) -> None:
        """Store vectors (n, d) at the positions start, ..., start + n - 1."""
        ...

    def read(self, start: int, stop: int) -> Float32[np.ndarray, "n d"]:
        """Return a copy in memory of the vectors start, ..., stop - 1."""
        ...


class MemoryStore:
    """A store that keeps vectors in memory."""

    def __init__(self, count: int, dimension: int) -> None:
        self._vectors = np.empty((count, dimension), np.float32)

    def write(self, start: int, vectors: Float32[np.ndarray, "n d"]) -> None:
        """Store vectors (n, d) at the positions start, ..., start + n - 1."""
        self._vectors[start : start + len(vectors)] = vectors

    def read(self, start: int, stop: int) -> Float32[np.ndarray, "n d"]:
        """Return a copy of the vectors start, ..., stop - 1."""
        return self._vectors[start:stop].copy()


class Vectors:
    """A set of images as vectors, for ``nearest_neighbors`` and ``radius_pairs``. ``embed`` makes one from an array.

    It has one vector for each distinct image, in the order in which distinct images first appear. With a store, each
    image is embedded once, when its vector is first needed. Without a store, it is embedded each time.

    Parameters
    ----------
    images
        The images and their groups of byte-equal ones.
    embedding
        The metric.
    store
        Where vectors are kept. Default None: they are not kept.
    stored
        Number of vectors, counted from the first, that the store already holds. Default 0.
    """

    def __init__(
        self, images: DistinctSet, embedding: Embedding, store: VectorStore | None = None, *, stored: int = 0
    ) -> None:
        self.images, self.embedding = images, embedding
        self.dimension = embedding.dimension(images.source.shape[1:])
        self._store = store
        self._stored = stored

    @property
    def count(self) -> int:
        """Number of vectors, one for each distinct image."""
        return self.images.distinct

    @property
    def whole(self) -> bool:
        """Whether the store holds every vector."""
        return self._stored == self.count

    def rows(self, start: int, stop: int) -> Float32[np.ndarray, "n d"]:
        """Return the vectors of the distinct images start, ..., stop - 1, float32 (n, d)."""
        if self._store is None:
            return self._embed(slice(start, stop))
        while self._stored < stop:
            first, made = self._stored, self._store_more(self._store, stop - start)
            if (first, self._stored) == (start, stop):
                return made  # these are the rows asked for, so the store is not read
        return self._store.read(start, stop)

    def at(self, numbers: Int64[np.ndarray, " n"]) -> Float32[np.ndarray, "n d"]:
        """Return the vectors of the distinct images with these numbers, float32 (n, d), in the order of the numbers."""
        if self._store is None:
            return self._embed(numbers)
        while self._stored <= numbers.max(initial=-1):
            self._store_more(self._store, len(numbers))
        found = np.empty((len(numbers), self.dimension), np.float32)
        order = np.argsort(numbers, kind="stable")
        for run in np.split(order, np.flatnonzero(np.diff(numbers[order]) != 1) + 1):
            found[run] = self._store.read(int(numbers[run[0]]), int(numbers[run[-1]]) + 1)
        return found

    def _store_more(self, store: VectorStore, most: int) -> Float32[np.ndarray, "n d"]:
        """Embed the next images that are not stored, at most ``most`` of them, and store them. Returns the vectors."""
        first, stop = self._stored, min(self._stored + most, self.count)
        made = self._embed(slice(first, stop))
        store.write(first, made)
        self._stored = stop
        return made

    def _embed(self, numbers: slice | np.ndarray) -> Float32[np.ndarray, "n d"]:
        return self.embedding.vectors(self.images.source.rows(self.images.first[numbers]))
