"""Decodes compressed pictures as a viewer shows them, then crops and resizes them.

A picture is turned as its orientation tag says, and its transparent pixels are put on a background. If a file also
holds previews, its main picture is read. A picture with more than 8 bits a channel is an error.

Pictures are cropped and resized one by one, since their sizes may differ.
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
"""Red, green and blue in 0..255."""
WHITE: Colour = (255, 255, 255)

_IDENTIFIED = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
"""Formats that Pillow recognises but cannot read by itself."""

_ORIENTATION = 0x0112
"""EXIF's tag for the orientation."""


@cache
def picture_suffixes() -> frozenset[str]:
    """Suffixes of the formats that Pillow reads here, in lower case."""
    Image.init()
    known = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in known.items() if kind in Image.OPEN and kind not in _IDENTIFIED)


@contextmanager
def opened(name: str, source: Path | BytesIO) -> Iterator[Image.Image]:
    """Open a picture without reading its pixels.

    Any error while the picture is open, in the body of ``with`` as well, becomes a ``DataError`` with its name.
    """
    try:
        with Image.open(source) as picture:
            yield picture
    except DataError:
        raise
    except Exception as error:  # readers of formats raise errors of their own, Pillow one for huge pictures
        raise Unreadable(
            name,
            f"cannot be read as an image ({' '.join(str(error).split())})",
            "remove or repair it, or leave out such files with 'skip_unreadable: true' (--skip-unreadable of an audit)",
        ) from None


@dataclass(frozen=True)
class Seen:
    """What the header of a file tells about its picture."""

    height: int
    """Height in pixels, after turning the picture as the orientation tag says."""
    width: int
    """Width in pixels, after turning likewise."""
    gray: bool
    """Whether the file stores gray values, not colours."""


def look(name: str, source: Path | BytesIO) -> Seen:
    """Read the header of a picture. Raises ``DataError`` if it cannot be used."""
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
    """Decode a picture in gray or RGB.

    Parameters
    ----------
    name
        Name of the picture in messages.
    source
        Its file, or the content of its file.
    channels
        1 for gray, 3 for RGB.
    background
        Colour that transparent pixels are put on, in 0..255. Default white.
    tally
        Counts pictures that were turned, put on the background or chosen among several of one file, and those with a
        colour profile that is not applied. Default none.

    Raises
    ------
    DataError
        If the picture cannot be used.
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
    """Whether the description of a colour profile says sRGB; False if the profile cannot be read."""
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
    """Decode pictures, crop and resize them, and yield each with its place in ``sources``.

    Parameters
    ----------
    sources
        (name, file or its content) of each picture.
    channels
        1 for gray, 3 for RGB.
    spec
        Tells how to crop and resize.
    background
        Colour that transparent pixels are put on, in 0..255. Default white.
    tally
        Counts pictures as for ``decode``, and those that were left out. Default none.
    skip_unreadable
        Whether to leave out pictures that cannot be read. Default False: they are errors.

    Raises
    ------
    DataError
        At the end, with the names of all pictures that cannot be used, or if there are no pictures.
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
        if not misfits.found:  # after an error, the rest is read only to name all such pictures
            yield place, image
    misfits.check()
    if shape is None:
        raise DataError("there are no images" + (" that can be read" if tally.unreadable else ""))


def parse_colour(text: str) -> Colour:
    """Red, green and blue in 0..255 of a colour in HTML's notation, such as 'white' or '#80ff00'.

    Raises ``ValueError`` if there is no such colour.
    """
    red, green, blue = ImageColor.getrgb(text)[:3]
    return red, green, blue


def colour_name(colour: Colour) -> str:
    """Name of a colour: 'white', 'black', or '#rrggbb'."""
    known = {WHITE: "white", (0, 0, 0): "black"}
    return known.get(colour, "#{:02x}{:02x}{:02x}".format(*colour))


def _transformed(name: str, image: UInt8[np.ndarray, "c h w"], spec: ImageDataset) -> UInt8[np.ndarray, "c h2 w2"]:
    try:
        return transform(image[None], spec)[0]
    except DataError as error:
        raise Misfit(f"{name}:", str(error), "choose a smaller crop") from None
