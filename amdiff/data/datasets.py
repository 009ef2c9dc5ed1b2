"""The datasets: each a function from its specification to uint8 images, and one line in ``DATASETS``.

``peek`` says how many images of which shape there will be without reading them all, so that a
configuration can be checked before any work starts; the count is an upper bound, since duplicates
are dropped later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from amdiff.config import (
    ArraysDataset,
    Cifar10Dataset,
    CircleDataset,
    DatasetSpec,
    DigitsDataset,
    FashionMnistDataset,
    FolderDataset,
    ImageDataset,
    LsunChurchDataset,
    MnistDataset,
    PhotosDataset,
)

from .builtin import digits, photos
from .cifar import cifar10
from .idx import fashion_mnist, mnist
from .images import BLOCK, Block, DataError, ImageSet, digests, transform
from .lsun import lsun_church
from .own import array_blocks, folder_blocks, peek_arrays, peek_folder

DATASETS: dict[str, Callable[[Any], ImageSet]] = {
    "digits": digits,
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "cifar10": cifar10,
    "lsun-church": lsun_church,
    "photos": photos,
}
"""Datasets that are known by name, and fit into memory."""

OWN: dict[str, Callable[[Any], Iterator[Block]]] = {"folder": folder_blocks, "arrays": array_blocks}
"""Datasets of one's own, of any size."""


class Reading:
    """A dataset read block by block: cropped, resized and, unless told otherwise, without byte-equal images.

    Counts and digest are those of what has been read so far.
    """

    def __init__(self, spec: ImageDataset) -> None:
        self.spec = spec
        self.source = ""
        """Where the images come from, for people."""
        self.train = self.test = self.duplicates = 0
        self._seen: set[bytes] = set()
        self._digest = hashlib.blake2b(digest_size=16)

    def __iter__(self) -> Iterator[Block]:
        """The images, the training part first. Raises ``DataError``."""
        for block in self._blocks():
            kept = []
            for row, key in enumerate(digests(block.images)):
                new = key not in self._seen
                self._seen.add(key)
                self.duplicates += not new
                if new or not self.spec.deduplicate:
                    kept.append(row)
                    self._digest.update(key)
            self.train += 0 if block.test else len(kept)
            self.test += len(kept) if block.test else 0
            if kept:
                yield block.kept(np.array(kept))

    @property
    def digest(self) -> str:
        """Of all images in their order, 32 hexadecimal digits."""
        return self._digest.hexdigest()

    def _blocks(self) -> Iterator[Block]:
        spec: Any = self.spec
        if spec.kind in OWN:
            self.source = f"{spec.kind} {spec.path.name}"
            yield from OWN[spec.kind](spec)
            return
        data = DATASETS[spec.kind](spec)
        self.source = data.source
        # pictures of varied size are brought to one as they are read
        images = data.images if isinstance(spec, LsunChurchDataset) else transform(data.images, spec)
        middle = len(images) - data.test_count
        for low, high in ((0, middle), (middle, len(images))):
            for start in range(low, high, BLOCK):
                part = slice(start, min(start + BLOCK, high))
                yield Block(images[part], low > 0, None if data.labels is None else data.labels[part])


def load(spec: ImageDataset) -> ImageSet:
    """A whole dataset in memory, as ``Reading`` gives it. Raises ``DataError``."""
    reading = Reading(spec)
    blocks = list(reading)
    labels = [b.labels for b in blocks if b.labels is not None]
    return ImageSet(
        np.concatenate([b.images for b in blocks]),
        reading.source,
        reading.test,
        np.concatenate(labels) if labels else None,
        reading.duplicates,
    )


def peek(spec: DatasetSpec) -> tuple[int, int, tuple[int, ...]]:
    """Upper bounds of the numbers of training and of test images, and their shape (C, H, W). Raises ``DataError``."""
    count, test, shape = _peek_source(spec)
    if isinstance(spec, ImageDataset):
        height, width = shape[1:]
        side = min(height, width) if spec.crop == "square" else spec.crop
        if side is not None:
            if side > min(height, width):
                raise DataError(f"a crop of {side} pixels was asked for, but the images are {height}x{width}")
            height = width = side
        if spec.resize is not None:
            height = width = spec.resize
        shape = (shape[0], height, width)
    return count, test, shape


def _peek_source(spec: DatasetSpec) -> tuple[int, int, tuple[int, ...]]:
    match spec:
        case DigitsDataset():
            return 1797, 0, (1, 8, 8)
        case MnistDataset() | FashionMnistDataset():
            return 60_000, spec.test_images, (1, 28, 28)
        case Cifar10Dataset():
            return 50_000, spec.test_images, (3, 32, 32)
        case LsunChurchDataset():
            return spec.count, 0, (3, 256, 256)  # the smaller side
        case PhotosDataset():  # two photographs of 427x640
            return 2 * (427 // spec.tile) * (640 // spec.tile), 0, (3, spec.tile, spec.tile)
        case CircleDataset():
            return spec.count, 0, (2,)
        case FolderDataset():
            return peek_folder(spec)
        case ArraysDataset():
            return peek_arrays(spec)
