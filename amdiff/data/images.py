"""The canonical form of an image dataset: uint8 (N, C, H, W), and how anything becomes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, Shaped, UInt8
from PIL import Image

from amdiff.config import ImageDataset
from amdiff.errors import DataError

RAW = Path("data/raw")
"""Where downloads go."""


@dataclass(frozen=True)
class ImageSet:
    """Images with their split and, where the source has them, labels."""

    images: UInt8[np.ndarray, "n c h w"]
    source: str
    """Where the images come from, for people."""
    test_count: int = 0
    """The last ``test_count`` images are the source's test split."""
    labels: Int64[np.ndarray, " n"] | None = None
    duplicates: int = 0
    """Images that are byte-equal to an earlier one, whether left out or not."""


@dataclass(frozen=True)
class Block:
    """Some images of a dataset, all of one part of it."""

    images: UInt8[np.ndarray, "n c h w"]
    test: bool = False
    """Whether they are of the source's test split, which comes last."""
    labels: Int64[np.ndarray, " n"] | None = None
    names: Shaped[np.ndarray, " n"] | None = None

    def kept(self, rows: Int64[np.ndarray, " m"]) -> Block:
        """Some of them."""
        labels, names = (None if a is None else a[rows] for a in (self.labels, self.names))
        return Block(self.images[rows], self.test, labels, names)


BLOCK = 4096
"""Images of a block."""


_RESAMPLE = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def transform(images: UInt8[np.ndarray, "n c h w"], spec: ImageDataset) -> UInt8[np.ndarray, "n c h2 w2"]:
    """Centre crop and resize as the specification says. Raises ``DataError`` where a crop does not fit."""
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
            if pools:  # one rounding, where resizing rounds after each axis
                plane[:] = picture.reduce((int(columns), int(rows)))
            else:
                plane[:] = picture.resize((spec.resize, spec.resize), _RESAMPLE[spec.resample])
    return out
