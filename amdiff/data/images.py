"""The canonical form of an image dataset: uint8 (N, C, H, W), and how anything becomes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, Shaped, UInt8
from PIL import Image

from amdiff.config import ImageDataset


class DataError(ValueError):
    """Images that cannot be used; the message says which, why and what to do."""


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


def to_uint8(values: Shaped[np.ndarray, "..."], black_white: tuple[float, float] | None) -> UInt8[np.ndarray, "..."]:
    """Map numbers to 0..255 linearly, rounding half to even.

    ``black_white`` are the values that become 0 and 255; uint8 arrays may leave it out. Raises
    ``DataError`` for NaN, infinities, values outside the range, or a missing range.
    """
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == np.bool_):
        raise DataError(f"images are numbers, got an array of {values.dtype}")
    if np.iscomplexobj(values):
        raise DataError("images are real numbers, got a complex array")
    if black_white is None:
        if values.dtype != np.uint8:
            raise DataError(
                f"the array is {values.dtype}: state the values that mean black and white, as in 'range: [0, 1]' "
                "(--values 0 1 of an audit)"
            )
        return values
    low, high = black_white
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(f"the array holds {int((~np.isfinite(values)).sum())} values that are NaN or infinite")
    if values.size and (values.min() < low or values.max() > high):
        raise DataError(f"values run from {values.min()} to {values.max()}, outside the stated range [{low}, {high}]")
    return np.rint((values.astype(np.float64) - low) * (255 / (high - low))).astype(np.uint8)


def to_nchw(array: Shaped[np.ndarray, "..."], layout: str) -> Shaped[np.ndarray, "n c h w"]:
    """Bring an array with the given meaning of its axes to (N, C, H, W). Raises ``DataError``."""
    if array.ndim != len(layout):
        raise DataError(f"layout {layout} has {len(layout)} axes, got an array of shape {array.shape}")
    if array.size == 0:
        raise DataError(f"the array is empty: its shape is {array.shape}")
    if layout == "NHW":
        return array[:, None]
    return array.transpose(0, 3, 1, 2) if layout == "NHWC" else array


def digests(images: Iterable[Shaped[np.ndarray, "..."]]) -> list[bytes]:
    """One 128-bit digest an image; equal digests mean byte-equal images."""
    return [hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in images]
