"""The canonical form of image datasets, uint8 (N, C, H, W), and the crop and resize that lead to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, Shaped, UInt8
from PIL import Image

from amdiff.config import ImageDataset
from amdiff.errors import DataError

RAW = Path("data/raw")
"""Folder of downloaded datasets, relative to the project's root."""


@dataclass(frozen=True)
class ImageSet:
    """The images of a dataset with their split and, if the source has them, labels."""

    images: UInt8[np.ndarray, "n c h w"]
    """The training images, then the test images."""
    source: str
    """Where the images come from, as readable text."""
    test_count: int = 0
    """Size of the source's test split, which comes last. Default 0."""
    labels: Int64[np.ndarray, " n"] | None = None
    """Class of each image, or None."""
    duplicates: int = 0
    """Number of images that are byte-equal to an earlier one, whether they were left out or not. Default 0."""


@dataclass(frozen=True)
class Block:
    """Some images of a dataset, all training images or all test images."""

    images: UInt8[np.ndarray, "n c h w"]
    test: bool = False
    """Whether the images belong to the test split, whose blocks come last."""
    labels: Int64[np.ndarray, " n"] | None = None
    """Class of each image, or None."""
    names: Shaped[np.ndarray, " n"] | None = None
    """Name of each image, or None."""

    def kept(self, rows: Int64[np.ndarray, " m"]) -> Block:
        """The block of the images with the given numbers."""
        labels, names = (None if a is None else a[rows] for a in (self.labels, self.names))
        return Block(self.images[rows], self.test, labels, names)


BLOCK = 4096
"""Number of images in a block."""


_RESAMPLE = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def transform(images: UInt8[np.ndarray, "n c h w"], spec: ImageDataset) -> UInt8[np.ndarray, "n c h2 w2"]:
    """Centre crop and resize as the specification says. Raises ``DataError`` if a crop is larger than the images."""
    height, width = images.shape[2:]
    side = min(height, width) if spec.crop == "square" else spec.crop
    if side is not None:
        if side > min(height, width):
            raise DataError(f"a crop of {side} pixels was asked for, but the images are {height}x{width}")
        top, left = (height - side) // 2, (width - side) // 2
        images = images[:, :, top : top + side, left : left + side]
    if spec.resize is None or images.shape[2:] == (spec.resize, spec.resize):
        return np.ascontiguousarray(images)
    out = np.empty((*images.shape[:2], spec.resize, spec.resize), np.uint8)
    rows, columns = (side / spec.resize for side in images.shape[2:])
    pools = spec.resample == "box" and rows.is_integer() and columns.is_integer()
    for image, target in zip(images, out, strict=True):
        for channel, plane in zip(image, target, strict=True):
            picture = Image.fromarray(channel)
            if pools:  # this rounds once, while resizing rounds after each axis
                plane[:] = picture.reduce((int(columns), int(rows)))
            else:
                plane[:] = picture.resize((spec.resize, spec.resize), _RESAMPLE[spec.resample])
    return out
