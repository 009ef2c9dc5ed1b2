"""Reads every kind of image dataset, each from its specification to uint8 images.

``peek`` tells the number and the shape of the images without reading them all, so that a configuration can be checked
before any work starts. The number is an upper bound, since duplicates are dropped later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8

from amdiff.config import DatasetSpec, Extent, FolderDataset, ImageDataset
from amdiff.errors import DataError
from amdiff.neighbors.sets import digests

from .arrays import array_blocks, peek_arrays
from .builtin import digits, photos
from .cifar import cifar10
from .folders import folder_blocks, folder_parts, peek_folder
from .idx import fashion_mnist, mnist
from .images import BLOCK, Block, ImageSet, transform
from .lsun import lsun_church
from .tally import Tally

DATASETS: dict[str, Callable[[Any], ImageSet]] = {
    "digits": digits,
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "cifar10": cifar10,
    "lsun-church": lsun_church,
    "photos": photos,
}
"""The function that loads each built-in dataset. These datasets fit into memory."""

OWN: dict[str, Callable[[Any, Tally], Iterator[Block]]] = {"folder": folder_blocks, "arrays": array_blocks}
"""The function that reads each kind of user dataset, block by block. These datasets may have any size."""

PEEKED: dict[str, Callable[[Any], Extent]] = {"folder": peek_folder, "arrays": peek_arrays}
"""The function that finds the extent of each kind of user dataset, from a quick look at its files."""


EMPTY, EMPTY_SHARE = 4, 0.01
"""When to warn about nearly empty images.

An image is nearly empty if the standard deviation of its pixels is below ``EMPTY`` levels. A note is given if the share
of such images exceeds ``EMPTY_SHARE``.
"""


_AT_ONCE = 2**22
"""Number of pixels that are converted to floats and summed at once."""


class Values:
    """Sums up the pixels of many images, for their mean and standard deviation."""

    def __init__(self) -> None:
        self.images = self.empty = self._count = 0
        self._sum = self._squares = 0.0

    def add(self, images: UInt8[np.ndarray, "n c h w"]) -> None:
        """Add some images."""
        flat = images.reshape(len(images), -1)
        for start in range(0, len(flat), rows := max(1, _AT_ONCE // flat.shape[1])):
            part = flat[start : start + rows].astype(np.float32)
            mean, std = part.mean(axis=1, dtype=np.float64), part.std(axis=1, dtype=np.float64)
            self.images += len(part)
            self.empty += int((std < EMPTY).sum())
            self._count += part.size
            self._sum += float(mean.sum()) * part.shape[1]
            self._squares += float((std**2 + mean**2).sum()) * part.shape[1]

    def as_json(self) -> dict[str, float]:
        """Mean and standard deviation of all pixels, with 0 for black and 1 for white."""
        mean = self._sum / self._count
        return {"mean": mean / 255, "std": max(self._squares / self._count - mean**2, 0.0) ** 0.5 / 255}


class Reading:
    """A dataset that is read block by block, cropped and resized.

    Byte-equal images are read once, unless the specification sets ``deduplicate`` to false. The counts and the digest
    describe what has been read so far.
    """

    def __init__(self, spec: ImageDataset) -> None:
        self.spec = spec
        self.source = ""
        """Where the images come from, as readable text."""
        self.train = self.test = self.duplicates = 0
        self.tally = Tally()
        """What was left out, replaced or guessed so far."""
        self._values = {False: Values(), True: Values()}
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
                part = block.kept(np.array(kept))
                self._values[part.test].add(part.images)
                yield part

    @property
    def values(self) -> dict[str, dict[str, float]]:
        """Mean and standard deviation of the pixels of each part, 'train' and 'test', in [0, 1]."""
        parts = (("train", self._values[False]), ("test", self._values[True]))
        return {name: values.as_json() for name, values in parts if values.images}

    @property
    def notes(self) -> list[str]:
        """What a user must know about the images that were read, one sentence each."""
        lines = self.tally.sentences()
        for name, values in (("", self._values[False]), ("held out: ", self._values[True])):
            if values.images and values.empty > EMPTY_SHARE * values.images:
                lines.append(
                    f"{name}{values.empty:,} of {values.images:,} images are nearly empty (the standard deviation of "
                    f"their pixels is under {EMPTY} of 255 levels): they lie near one another whatever the model, so "
                    "thresholds may tell empty images from others in place of copies from new ones"
                )
        return lines

    @property
    def digest(self) -> str:
        """Digest of all images in their order, as 32 hexadecimal digits."""
        return self._digest.hexdigest()

    def _blocks(self) -> Iterator[Block]:
        spec: Any = self.spec
        if spec.kind in OWN:
            self.source = f"{spec.kind} {spec.path.name}"
            yield from OWN[spec.kind](spec, self.tally)
            return
        data = DATASETS[spec.kind](spec)
        self.source = data.source
        images = data.images if spec.fitted else transform(data.images, spec)
        middle = len(images) - data.test_count
        for low, high in ((0, middle), (middle, len(images))):
            for start in range(low, high, BLOCK):
                part = slice(start, min(start + BLOCK, high))
                yield Block(images[part], low > 0, None if data.labels is None else data.labels[part])


def load(spec: ImageDataset) -> ImageSet:
    """Read a whole dataset into memory, as ``Reading`` gives it. Raises ``DataError``."""
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
    """The number of training images and of test images, both at most, and their shape (C, H, W) after crop and resize.

    Raises ``DataError`` if the files cannot be read or a crop does not fit.
    """
    count, test, shape = spec.extent or PEEKED[spec.kind](spec)
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


def source_notes(spec: DatasetSpec) -> list[str]:
    """Sentences about the files that are passed over in a user's folder, as far as their names tell."""
    if not isinstance(spec, FolderDataset):
        return []
    try:
        parts = folder_parts(spec)
    except DataError:
        return []  # the folder is gone: what was read from it before is used
    tally = Tally()
    tally.passed = {title: listing.passed for title, listing in parts}
    return tally.sentences()
