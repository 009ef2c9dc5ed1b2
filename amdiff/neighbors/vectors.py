"""Sets of images as vectors, which are read in blocks."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

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
            return self._embed(start, stop)
        while self._stored < stop:
            first, upto = self._stored, min(self._stored + stop - start, self.count)
            made = self._embed(first, upto)
            self._store.write(first, made)
            self._stored = upto
            if (first, upto) == (start, stop):
                return made  # these are the rows asked for, so the store is not read
        return self._store.read(start, stop)

    def _embed(self, start: int, stop: int) -> Float32[np.ndarray, "n d"]:
        return self.embedding.vectors(self.images.source.rows(self.images.first[start:stop]))
