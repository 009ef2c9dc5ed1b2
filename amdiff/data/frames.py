"""The main picture of a file, and whether 8 bits a channel hold it.

Pillow reduces more than 8 bits in silence, for some formats before anything can be seen of it.
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
"""Raw modes of files with more than 8 bits a channel; BGR;15 and BGR;16 pack three channels into two bytes."""

_SUBFILE = 254
"""TIFF's tag for pages that are a smaller version, or a mask, of another one."""


def choose_frame(name: str, picture: Image.Image, source: Path | BytesIO) -> bool:
    """Go to the main picture of a file; whether there are others, which are not shown beside it.

    Raises ``Misfit`` where several pictures are meant to be seen, or 8 bits a channel do not hold them.
    """
    frames = getattr(picture, "n_frames", 1)
    others = frames > 1 and picture.format in ("MPO", "PSD")  # a camera's preview; layers of the picture that is shown
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
    """Whether a page of a TIFF is a smaller version, or a mask, of another one."""
    picture.seek(page)
    return bool(picture.tag_v2.get(_SUBFILE, 0) & 0b101)


def _wide(picture: Any, source: Path | BytesIO) -> str | None:
    """How a file stores more than 8 bits a channel, which Pillow may reduce in silence; None for others."""
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
    """Bits a channel of a JPEG 2000 (SIZ, ISO 15444-1 A.5.1) or an AVIF (av1C, AV1-ISOBMFF 2.3.3)."""
    size = head.find(b"\xff\x4f\xff\x51")
    if 0 <= size < len(head) - 42:
        return (head[size + 42] & 0x7F) + 1
    box = head.find(b"av1C")
    if 0 <= box < len(head) - 6:
        return (12 if head[box + 6] & 0x20 else 10) if head[box + 6] & 0x40 else 8
    return 8
