"""The sides of an audit: the sets of images that the arguments name, and how each is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amdiff.config import ConfigError, split_key
from amdiff.data.arrays import array_ends, array_names, array_type, likely_layout
from amdiff.data.containers import packed
from amdiff.data.listing import list_pictures
from amdiff.data.misfits import Unreadable
from amdiff.data.pictures import look
from amdiff.data.tally import named
from amdiff.errors import DataError

Range = tuple[float, float]


@dataclass(frozen=True)
class SideOptions:
    """One set of images, as the arguments name it."""

    path: Path
    values: Range | None = None
    """The values that mean black and white. Default None: not stated for this side."""
    key: str | None = None
    """Name of the array, or column, in files that hold several. Default None: not stated for this side."""

    @classmethod
    def of(cls, path: Path, values: Range | None, key: str | None) -> SideOptions:
        """A side whose path may end in '::key'. Raises ``ConfigError`` if ``key`` is another one."""
        file, inside = split_key(str(path))
        if inside is not None and key not in (None, inside):
            raise ConfigError(f"{path}: the path names {inside!r}, but the key option names {key!r}; give one of them")
        return cls(Path(file), values, key if inside is None else inside)


@dataclass(frozen=True)
class Form:
    """How the images of one side are stored."""

    option: str
    """The option that names the side, such as '--train'."""
    path: Path
    key: str | None
    """Name of the array or column; None where there are no names."""
    values: Range | None
    """The values that mean black and white in an array: stated for this side or for all; None where not stated."""
    array: bool
    """Whether the side is an array of numbers; else it is pictures."""
    layout: str = ""
    """Axes of an array, such as 'NHWC'. Default empty: pictures."""
    channels: int = 0
    """Channels of an array. Default 0: pictures."""
    notes: tuple[str, ...] = ()
    """Notes on how the axes of an array were understood. Default empty."""


def form_of(option: str, side: SideOptions, every_values: Range | None, every_key: str | None) -> Form:
    """Find out how the images of a side are stored. ``every_values`` and ``every_key`` are stated for all sides.

    Raises ``DataError`` if the images cannot be read in any form.
    """
    path, values, key = side.path, side.values or every_values, side.key or every_key
    if path.is_file() and not packed(path, key):
        names = array_names(path)
        key = (key if side.key or names else None) or (names[0] if len(names) == 1 else None)
        shape, kind, matlab = array_type(path, key)
        layout, channels = _layout(path, shape, matlab)
        if kind == np.uint8 and side.values is None and every_values is not None and array_ends(path, key)[1] > 1:
            values = None  # --values is meant for the other sides
        return Form(
            option, path, key, values, True, layout, channels, _doubts(f"{option} {path}", shape, layout, matlab)
        )
    return Form(option, path, key if list_pictures(path).keyed else None, values, False)


def _doubts(what: str, shape: tuple[int, ...], layout: str, matlab: bool) -> tuple[str, ...]:
    """A note on how the axes of an array were understood, if another meaning is possible."""
    if layout in ("HWN", "HWCN"):
        return (f"{what}: its shape {shape} is read as ({', '.join(layout)}), MATLAB's order of axes",)
    if matlab or (layout == "NHW" and shape[0] <= max(shape[1:]) and shape[1] != shape[2]):
        height, width = (shape[layout.index(axis)] for axis in "HW")
        return (f"{what}: its shape {shape} is read as {shape[0]:,} images of {height}x{width}",)
    return ()


def common_channels(forms: list[Form]) -> tuple[int, list[str]]:
    """Choose the channels in which all sides are compared, and note which pictures lose their colour by it.

    An array decides where there is one. Else it is one channel if all pictures are gray, and three if not. Raises
    ``DataError`` if pictures cannot be listed.
    """
    arrays = [form for form in forms if form.array]
    if not arrays:
        return 1 if all(gray for form in forms for gray in _gray(form)) else 3, []
    if arrays[0].channels != 1:
        return arrays[0].channels, []
    coloured = [f"{form.option} {form.path}" for form in forms if not form.array and not all(_gray(form))]
    why = f"since {arrays[0].option} {arrays[0].path} is gray"
    return 1, [f"pictures in colour are compared in gray, {why}: {named(coloured)}"] if coloured else []


def _gray(form: Form) -> Iterator[bool]:
    """Whether each picture of a side is gray. Pictures that cannot be read are skipped."""
    for member in list_pictures(form.path, form.key).members(Counter()):
        try:
            yield look(member.shown, member.source).gray
        except Unreadable:
            continue  # the dataset reports it later, or leaves it out


def _layout(path: Path, shape: tuple[int, ...], matlab: bool) -> tuple[str, int]:
    """Meaning of the axes of an array, and its channels. Raises ``DataError`` if the shape is not of images."""
    layout = likely_layout(shape, matlab)
    if layout is None:
        four = "one of its 4 axes must hold 1 or 3 channels (leave out alpha)"
        wanted = four if len(shape) == 4 else "expected (N, H, W), (N, C, H, W) or (N, H, W, C)"
        raise DataError(f"{path}: its array has the shape {shape}; {wanted}")
    return layout, shape[layout.index("C")] if "C" in layout else 1
