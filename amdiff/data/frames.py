"""Finds the main picture of a file, and whether it has at most 8 bits a channel.

Pillow silently reduces pictures of more than 8 bits. For some formats, the mode that Pillow shows is already
reduced, so the file itself is examined.
"""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from .misfits import Misfit

_EIGHT_BIT = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"}
"""Pillow's modes with at most 8 bits a channel."""

_WIDE = re.compile(r"(?!BGR)[A-Za-z]+;(1[0-6]|32|64)")
"""Pillow's raw modes with more than 8 bits a channel.

BGR;15 and BGR;16 do not count, since they pack three channels into two bytes.
"""

_SUBFILE = 254
"""Tag of a TIFF page that tells whether it is a smaller version, or a mask, of another page."""


def choose_frame(name: str, picture: Image.Image, source: Path | BytesIO) -> bool:
    """Select the main picture of a file. Returns whether the file also holds others, such as previews or layers.

    Raises ``Misfit`` if the file holds several main pictures, or more than 8 bits a channel.
    """
    frames = getattr(picture, "n_frames", 1)
    others = frames > 1 and picture.format in ("MPO", "PSD")  # a camera's preview, or layers of the picture
    if frames > 1 and picture.format == "TIFF":
        pages = [number for number in range(frames) if not _is_preview(picture, number)]
        picture.seek(pages[0] if pages else 0)
        others, frames = len(pages) < frames, max(1, len(pages))
    elif others:
        frames = 1
    if frames > 1:
        raise Misfit(name, f"is animated, {frames} pictures in one file", "save the one that is meant")
    if (kind := _wide(picture, source)) is not None:
        raise Misfit(name, f"has {kind} pixels, more than 8 bits a channel", "convert it, or use kind 'arrays'")
    return others


def _is_preview(picture: Any, page: int) -> bool:
    """Whether a page of a TIFF is a smaller version, or a mask, of another page."""
    picture.seek(page)
    return bool(picture.tag_v2.get(_SUBFILE, 0) & 0b101)


def _wide(picture: Any, source: Path | BytesIO) -> str | None:
    """The mode of a file with more than 8 bits a channel, which Pillow may reduce silently; None for other files."""
    if picture.mode not in _EIGHT_BIT:
        return picture.mode
    for tile in picture.tile:
        codec, args = tile[0], tile[3]
        parts = args if isinstance(args, tuple) else (args,)
        if wide := next((p for p in parts if isinstance(p, str) and _WIDE.match(p)), None):
            return wide
        if codec == "SGI16":
            return f"{picture.mode};16"
        if codec.startswith("ppm") and isinstance(parts[-1], int) and parts[-1] > 255:
            return f"{picture.mode};16"
    if picture.format in ("JPEG2000", "AVIF"):
        bits = _bits(_head(source))
        return f"{picture.mode};{bits}" if bits > 8 else None
    return None


def _head(source: Path | BytesIO) -> bytes:
    if isinstance(source, BytesIO):
        return source.getvalue()[:65_536]
    with source.open("rb") as stream:
        return stream.read(65_536)


def _bits(head: bytes) -> int:
    """Bits a channel in the header of a JPEG 2000 (SIZ, ISO 15444-1 A.5.1) or an AVIF (av1C, AV1-ISOBMFF 2.3.3)."""
    size = head.find(b"\xff\x4f\xff\x51")
    if 0 <= size < len(head) - 42:
        return (head[size + 42] & 0x7F) + 1
    box = head.find(b"av1C")
    if 0 <= box < len(head) - 6:
        return (12 if head[box + 6] & 0x20 else 10) if head[box + 6] & 0x40 else 8
    return 8
