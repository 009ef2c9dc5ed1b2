"""Compressed pictures: decoded, cropped and resized one by one, since their sizes may differ before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from amdiff.config import ImageDataset

from .images import DataError, transform

_EIGHT_BIT = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"}
"""Pillow's modes with at most 8 bits a channel."""


@contextmanager
def opened(name: str, source: Path | BytesIO) -> Iterator[Image.Image]:
    """A picture, its pixels not read yet. What is wrong with it, now or later, is a ``DataError`` with its name."""
    try:
        with Image.open(source) as picture:
            yield picture
    except DataError:
        raise
    except Exception as error:  # each format's reader has its own, and Pillow one for pictures of absurd size
        raise DataError(
            f"{name} cannot be read as an image ({' '.join(str(error).split())}); remove or repair it"
        ) from None


def decode(name: str, source: Path | BytesIO, channels: int) -> UInt8[np.ndarray, "c h w"]:
    """A picture in gray (1 channel) or RGB (3). Raises ``DataError`` with its name."""
    with opened(name, source) as picture:
        if picture.mode not in _EIGHT_BIT:
            raise DataError(f"{name} has {picture.mode} pixels, more than 8 bits; convert it, or use kind 'arrays'")
        if (frames := getattr(picture, "n_frames", 1)) > 1:
            raise DataError(f"{name} is animated, {frames} pictures in one file; save the one that is meant")
        array = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
    return array.reshape(*array.shape[:2], channels).transpose(2, 0, 1)


def decoded(
    sources: Iterable[tuple[str, Path | BytesIO]], channels: int, spec: ImageDataset
) -> Iterator[UInt8[np.ndarray, "c h w"]]:
    """Pictures, (name, file) each, cropped and resized to one size. Raises ``DataError`` where one does not fit."""
    first, shape = "", None
    for name, source in sources:
        try:
            image = transform(decode(name, source, channels)[None], spec)[0]
        except DataError as error:
            raise DataError(str(error) if str(error).startswith(name) else f"{name}: {error}") from None
        if shape is not None and image.shape != shape:
            raise DataError(
                f"{name} is {_size(image.shape)}, but {first} is {_size(shape)}; "
                "set resize (and crop) to bring all images to one size"
            )
        first, shape = first or name, image.shape
        yield image
    if shape is None:
        raise DataError("there are no images")


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[2]}"
