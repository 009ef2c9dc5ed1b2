"""The datasets: each a function from its specification to uint8 images, and one line in ``DATASETS``.

``peek`` says how many images of which shape there will be without reading them all, so that a
configuration can be checked before any work starts; the count is an upper bound, since duplicates
are dropped later.
"""

from __future__ import annotations

from collections.abc import Callable
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
    data = ImageSet(images, data.source, data.test_count, data.labels)
    if spec.deduplicate:
        return deduplicate(data)
    return ImageSet(images, data.source, data.test_count, data.labels, count_duplicates(images))


def peek(spec: DatasetSpec) -> tuple[int, tuple[int, ...]]:
    """Upper bound of the number of training images, and their shape (C, H, W). Raises ``DataError``."""
    count, shape = _peek_source(spec)
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
    return count, shape


def _peek_source(spec: DatasetSpec) -> tuple[int, tuple[int, ...]]:
    match spec:
        case DigitsDataset():
            return 1797, (1, 8, 8)
        case MnistDataset() | FashionMnistDataset():
            return 60_000, (1, 28, 28)
        case Cifar10Dataset():
            return 50_000, (3, 32, 32)
        case LsunChurchDataset():
            return spec.count, (3, 256, 256)  # the smaller side
        case PhotosDataset():  # two photographs of 427x640
            return 2 * (427 // spec.tile) * (640 // spec.tile), (3, spec.tile, spec.tile)
        case CircleDataset():
            return spec.count, (2,)
        case FolderDataset():
            return peek_folder(spec)
        case ArraysDataset():
            return peek_arrays(spec)
