"""Compressed pictures: decoded as people see them, then cropped and resized one by one, since their sizes may differ.

A picture is what a viewer shows: turned as its orientation tag says, transparent pixels on a background, the main
picture of a file that holds previews as well. What 8 bits a channel cannot hold is refused, never reduced in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageColor, ImageOps

from amdiff.config import ImageDataset
from amdiff.errors import DataError

from .frames import choose_frame
from .images import transform
from .misfits import Misfit, Misfits, Unreadable, other_size
from .tally import Tally

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)

_IDENTIFIED = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
"""Formats that Pillow names and cannot read by itself."""

_ORIENTATION = 0x0112
"""EXIF's tag."""


@cache
def picture_suffixes() -> frozenset[str]:
    """Suffixes of the formats that Pillow reads here, in lower case."""
    Image.init()
    known = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in known.items() if kind in Image.OPEN and kind not in _IDENTIFIED)


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
        choose_frame(name, picture, source)
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
        previews = choose_frame(name, picture, source)
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
        profile = picture.info.get("icc_profile")
    tally.turned += turned
    tally.profiles += isinstance(profile, bytes) and not _is_srgb(profile)
    tally.previews += previews
    if transparent:
        tally.composited[colour_name(background)] += 1
    return array.reshape(*array.shape[:2], channels).transpose(2, 0, 1)


@cache
def _is_srgb(profile: bytes) -> bool:
    """Whether a colour profile names itself sRGB; one that cannot be read does not."""
    try:
        return "srgb" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile))).lower()
    except (OSError, ImageCms.PyCMSError):
        return False


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


def parse_colour(text: str) -> Colour:
    """Red, green and blue in 0..255 of a colour as HTML has them: 'white', '#80ff00'. Raises ``ValueError``."""
    red, green, blue = ImageColor.getrgb(text)[:3]
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
