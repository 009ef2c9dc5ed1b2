"""Sets of images as vectors, read in blocks."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from .embeddings import Embedding
from .sets import DistinctSet


@runtime_checkable
class VectorStore(Protocol):
    """Room for vectors outside memory."""

    def write(self, start: int, vectors: Float32[np.ndarray, "n d"]) -> None:
        """Keep vectors as numbers ``start`` and on."""
        ...

    def read(self, start: int, stop: int) -> Float32[np.ndarray, "n d"]:
        """Vectors [start, stop), a copy in memory."""
        ...


class MemoryStore:
    """Room for vectors in memory."""

    def __init__(self, count: int, dimension: int) -> None:
        self._vectors = np.empty((count, dimension), np.float32)

    def write(self, start: int, vectors: Float32[np.ndarray, "n d"]) -> None:
        """Keep vectors as numbers ``start`` and on."""
        self._vectors[start : start + len(vectors)] = vectors

    def read(self, start: int, stop: int) -> Float32[np.ndarray, "n d"]:
        """Vectors [start, stop), a copy."""
        return self._vectors[start:stop].copy()


class Vectors:
    """The vectors of the distinct images of a set, in their order.

    With a store each image is embedded once, when it is first asked for; without one, each time.
    """

    def __init__(
        self, images: DistinctSet, embedding: Embedding, store: VectorStore | None = None, *, stored: int = 0
    ) -> None:
        """``stored`` says how many vectors, from the first on, the store holds already."""
        self.images, self.embedding = images, embedding
        self.dimension = embedding.dimension(images.source.shape[1:])
        self._store = store
        self._stored = stored

    @property
    def count(self) -> int:
        """Number of vectors: one for each different image."""
        return self.images.distinct

    @property
    def whole(self) -> bool:
        """Whether the store holds every vector."""
        return self._stored == self.count

    def rows(self, start: int, stop: int) -> Float32[np.ndarray, "n d"]:
        """Vectors of the distinct images start, ..., stop - 1."""
        if self._store is None:
            return self._embed(start, stop)
        while self._stored < stop:
            first, upto = self._stored, min(self._stored + stop - start, self.count)
            made = self._embed(first, upto)
            self._store.write(first, made)
            self._stored = upto
            if (first, upto) == (start, stop):
                return made  # what is at hand is not read again
        return self._store.read(start, stop)

    def _embed(self, start: int, stop: int) -> Float32[np.ndarray, "n d"]:
        return self.embedding.vectors(self.images.source.rows(self.images.first[start:stop]))
