"""Compressed pictures: decoded as people see them, then cropped and resized one by one, since their sizes may differ.

A picture is what a viewer shows: turned as its orientation tag says, transparent pixels on a background, the main
picture of a file that holds previews as well. What 8 bits a channel cannot hold is refused, never reduced in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageColor, ImageOps

from amdiff.config import ImageDataset

from .images import DataError, transform
from .tally import MOST_NAMED, Tally

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)

_EIGHT_BIT = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"}
"""Pillow's modes with at most 8 bits a channel."""

_WIDE = re.compile(r"(?!BGR)[A-Za-z]+;(1[0-6]|32|64)")
"""Raw modes of files with more than 8 bits a channel; BGR;15 and BGR;16 pack three channels into two bytes."""

_IDENTIFIED = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
"""Formats that Pillow names and cannot read by itself."""

_ORIENTATION, _SUBFILE = 0x0112, 254
"""Tags of EXIF and of TIFF."""


@cache
def picture_suffixes() -> frozenset[str]:
    """Suffixes of the formats that Pillow reads here, in lower case."""
    Image.init()
    known = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in known.items() if kind in Image.OPEN and kind not in _IDENTIFIED)


class Misfit(DataError):
    """A picture that cannot be used."""

    def __init__(self, name: str, reason: str, remedy: str) -> None:
        super().__init__(f"{name} {reason}; {remedy}")
        self.name, self.reason, self.remedy = name, reason, remedy


class Unreadable(Misfit):
    """A picture that no viewer would show."""


@contextmanager
def opened(name: str, source: Path | BytesIO) -> Iterator[Image.Image]:
    """A picture, its pixels not read yet. What is wrong with it, now or later, is a ``DataError`` with its name."""
    try:
        with Image.open(source) as picture:
            yield picture
    except DataError:
        raise
    except Exception as error:  # each format's reader has its own, and Pillow one for pictures of absurd size
        raise Unreadable(
            name,
            f"cannot be read as an image ({' '.join(str(error).split())})",
            "remove or repair it, or leave such files out by 'skip_unreadable: true' (--skip-unreadable of an audit)",
        ) from None


@dataclass(frozen=True)
class Seen:
    """What the head of a file says of its picture."""

    height: int
    width: int
    """As seen: the orientation tag counts."""
    gray: bool
    """Whether the file stores gray values."""


def look(name: str, source: Path | BytesIO) -> Seen:
    """The head of a picture. Raises ``DataError`` where it cannot be used."""
    with opened(name, source) as picture:
        _choose_frame(name, picture, source)
        width, height = picture.size
        # Pillow turns the size of a TIFF by itself
        if picture.format != "TIFF" and picture.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8):
            width, height = height, width
        return Seen(height, width, picture.mode in ("1", "L", "LA"))


def decode(
    name: str, source: Path | BytesIO, channels: int, background: Colour = WHITE, tally: Tally | None = None
) -> UInt8[np.ndarray, "c h w"]:
    """A picture in gray (1 channel) or RGB (3), as seen on a background. Raises ``DataError`` with its name.

    ``tally`` counts what was turned, composited, or chosen among several pictures of one file.
    """
    tally = tally if tally is not None else Tally()
    with opened(name, source) as picture:
        previews = _choose_frame(name, picture, source)
        turned = picture.getexif().get(_ORIENTATION, 1) in range(2, 9)
        upright: Image.Image = ImageOps.exif_transpose(picture)
        transparent = False
        if upright.has_transparency_data:
            shown = upright.convert("RGBA")
            extrema: Any = shown.getchannel("A").getextrema()
            transparent = extrema[0] < 255
            if transparent:
                shown = Image.alpha_composite(Image.new("RGBA", shown.size, (*background, 255)), shown)
            upright = shown.convert("RGB")
        array = np.asarray(upright.convert("L" if channels == 1 else "RGB"))
    tally.turned += turned
    tally.previews += previews
    if transparent:
        tally.composited[colour_name(background)] += 1
    return array.reshape(*array.shape[:2], channels).transpose(2, 0, 1)


def decoded(
    sources: Iterable[tuple[str, Path | BytesIO]],
    channels: int,
    spec: ImageDataset,
    background: Colour = WHITE,
    tally: Tally | None = None,
    skip_unreadable: bool = False,
) -> Iterator[tuple[int, UInt8[np.ndarray, "c h w"]]]:
    """Pictures, (name, file) each, with their place in ``sources``, cropped and resized to one size.

    All pictures that do not fit are named at once, in a ``DataError`` at the end. Those that cannot be read are left
    out and counted where ``skip_unreadable`` says so.
    """
    tally = tally if tally is not None else Tally()
    misfits = Misfits()
    first, shape = "", None
    for place, (name, source) in enumerate(sources):
        try:
            whole = decode(name, source, channels, background, tally)
            image = _transformed(name, whole, spec)
            if shape is not None and image.shape != shape:
                raise other_size(name, image.shape[1:], first, shape[1:])
        except Unreadable as error:
            if skip_unreadable:
                tally.unreadable.append(name)
            else:
                misfits.add(error)
            continue
        except Misfit as error:
            misfits.add(error)
            continue
        first, shape = first or name, image.shape
        if not misfits.found:  # what follows is read to name all that do not fit
            yield place, image
    misfits.check()
    if shape is None:
        raise DataError("there are no images" + (" that can be read" if tally.unreadable else ""))


def other_size(name: str, size: tuple[int, ...], first: str, expected: tuple[int, ...]) -> Misfit:
    """The complaint about a picture of another size than the first."""
    return Misfit(
        name,
        f"is {size[0]}x{size[1]}, but {first} is {expected[0]}x{expected[1]}",
        "set resize (and crop) to bring all images to one size",
    )


class Misfits:
    """Pictures that cannot be used, to be named at once."""

    def __init__(self) -> None:
        self.found: list[Misfit] = []

    def add(self, misfit: Misfit) -> None:
        """One more."""
        self.found.append(misfit)

    def check(self) -> None:
        """Raise ``DataError`` with the first ten and the number of all, if there are any."""
        if not self.found:
            return
        if len(self.found) == 1:
            raise self.found[0]
        shown = "; ".join(f"{m.name} {m.reason}" for m in self.found[:MOST_NAMED])
        more = len(self.found) - MOST_NAMED
        rest = f"; and {more:,} more" if more > 0 else ""
        remedies = "; ".join(dict.fromkeys(m.remedy for m in self.found))
        raise DataError(f"{len(self.found):,} pictures cannot be used: {shown}{rest}. What to do: {remedies}")


def parse_colour(text: str) -> Colour:
    """Red, green and blue in 0..255 of a colour as HTML has them: 'white', '#80ff00'. Raises ``ValueError``."""
    red, green, blue = ImageColor.getcolor(text, "RGB")[:3]  # type: ignore[index]
    return red, green, blue


def colour_name(colour: Colour) -> str:
    """'white', 'black', or '#rrggbb'."""
    known = {WHITE: "white", (0, 0, 0): "black"}
    return known.get(colour, "#{:02x}{:02x}{:02x}".format(*colour))


def _transformed(name: str, image: UInt8[np.ndarray, "c h w"], spec: ImageDataset) -> UInt8[np.ndarray, "c h2 w2"]:
    try:
        return transform(image[None], spec)[0]
    except DataError as error:
        raise Misfit(f"{name}:", str(error), "choose a smaller crop") from None


def _choose_frame(name: str, picture: Image.Image, source: Path | BytesIO) -> bool:
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
