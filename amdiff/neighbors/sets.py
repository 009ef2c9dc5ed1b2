"""Sets of images that are read in blocks, and their exact duplicates.

An image is an array of any shape. It is uint8 (C, H, W) in the pipeline; it may be a vector of features in a notebook.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int64, Num, Shaped


@runtime_checkable
class ImageSource(Protocol):
    """A source of images, which are read by number when they are needed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole set, (N, *shape); (N, C, H, W) for images."""
        ...

    def rows(self, indices: Int64[np.ndarray, " n"]) -> Num[np.ndarray, "n ..."]:
        """Return the images with these numbers, (n, *shape), in this order."""
        ...


@dataclass(frozen=True)
class ArraySource:
    """Images in memory."""

    images: Num[np.ndarray, "n ..."]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.images.shape

    def rows(self, indices: Int64[np.ndarray, " n"]) -> Num[np.ndarray, "n ..."]:
        return self.images[indices]


@dataclass(frozen=True)
class Selection:
    """Some images of a source, which are read when they are needed."""

    source: ImageSource
    chosen: Int64[np.ndarray, " n"]
    """Numbers of the chosen images in the source."""

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.chosen), *self.source.shape[1:])

    def rows(self, indices: Int64[np.ndarray, " n"]) -> Num[np.ndarray, "n ..."]:
        return self.source.rows(self.chosen[indices])


@dataclass(frozen=True)
class DistinctSet:
    """A set of images in which byte-equal ones are known: searches run over one of each."""

    source: ImageSource
    first: Int64[np.ndarray, " u"]
    """Number of the first image of each group, in increasing order."""
    group: Int64[np.ndarray, " n"]
    """Number of the group of each image."""
    keys: dict[bytes, int]
    """Number of the group of each digest."""
    members: list[Int64[np.ndarray, " _"]]
    """Numbers of the images in each group, in increasing order."""

    @classmethod
    def of(cls, source: ImageSource, block: int = 4096) -> DistinctSet:
        """Find the groups of byte-equal images. Reads the whole source once, ``block`` images at a time."""
        keys: dict[bytes, int] = {}
        group = np.empty(source.shape[0], np.int64)
        first: list[int] = []
        for start, images in _blocks(source, block):
            for offset, digest in enumerate(digests(images)):
                number = keys.setdefault(digest, len(keys))
                if number == len(first):
                    first.append(start + offset)
                group[start + offset] = number
        order = np.argsort(group, kind="stable")
        members = np.split(order, np.cumsum(np.bincount(group, minlength=len(first)))[:-1]) if len(first) else []
        return cls(source, np.array(first, np.int64), group, keys, members)

    @cached_property
    def alone(self) -> Bool[np.ndarray, " u"]:
        """Whether a group has one image only."""
        return np.bincount(self.group, minlength=self.distinct) == 1

    @property
    def size(self) -> int:
        """Number of all images; equal images count separately."""
        return len(self.group)

    @property
    def distinct(self) -> int:
        """Number of distinct images."""
        return len(self.first)


def _blocks(source: ImageSource, block: int) -> Iterator[tuple[int, np.ndarray]]:
    count = source.shape[0]
    for start in range(0, count, block):
        yield start, source.rows(np.arange(start, min(start + block, count)))


def digests(images: Iterable[Shaped[np.ndarray, "..."]]) -> list[bytes]:
    """Return a 128-bit digest of each image. Equal digests mean byte-equal images."""
    return [hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in images]
