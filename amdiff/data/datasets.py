"""The datasets: each a function from its specification to uint8 images, and one line in ``DATASETS``.

``peek`` says how many images of which shape there will be without reading them all, so that a
configuration can be checked before any work starts; the count is an upper bound, since duplicates
are dropped later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

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

from .builtin import circle, digits, photos
from .cifar import cifar10
from .idx import fashion_mnist, mnist
from .images import DataError, ImageSet, count_duplicates, deduplicate, transform
from .lsun import lsun_church
from .own import arrays, folder, peek_arrays, peek_folder

DATASETS: dict[str, Callable[[Any], Any]] = {
    "digits": digits,
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "cifar10": cifar10,
    "lsun-church": lsun_church,
    "photos": photos,
    "folder": folder,
    "arrays": arrays,
    "circle": circle,
}


def load(spec: ImageDataset) -> ImageSet:
    """Read, crop, resize and, unless told otherwise, deduplicate a dataset. Raises ``DataError``."""
    data = DATASETS[spec.kind](spec)  # type: ignore[attr-defined]
    # pictures of varied size are brought to one as they are read
    images = data.images if isinstance(spec, (FolderDataset, LsunChurchDataset)) else transform(data.images, spec)
    data = replace(data, images=images)
    return deduplicate(data) if spec.deduplicate else replace(data, duplicates=count_duplicates(images))


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
