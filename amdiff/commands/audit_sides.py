"""The sides of an audit: sets of images as the arguments name them, and how they are stored."""

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
    """One set of images as the arguments name it."""

    path: Path
    values: Range | None = None
    """The values that mean black and white."""
    key: str | None = None
    """Name of the array, or column, in files that hold several."""

    @classmethod
    def of(cls, path: Path, values: Range | None, key: str | None) -> SideOptions:
        """A side, whose path may end in '::key'. Raises ``ConfigError`` where it names another key as well."""
        file, inside = split_key(str(path))
        if inside is not None and key not in (None, inside):
            raise ConfigError(f"{path}: names {inside!r}, and its key option {key!r}; give one of them")
        return cls(Path(file), values, key if inside is None else inside)


@dataclass(frozen=True)
class Form:
    """How the images of one side are stored."""

    option: str
    path: Path
    key: str | None
    values: Range | None
    """Range of an array: its own, or that of all."""
    array: bool
    """Whether it is an array of numbers; else pictures."""
    layout: str = ""
    channels: int = 0
    """Of an array."""
    notes: tuple[str, ...] = ()


def form_of(option: str, side: SideOptions, every_values: Range | None, every_key: str | None) -> Form:
    """How the images of a side are stored; ``every_values`` and ``every_key`` are those of all sides.

    Raises ``DataError``.
    """
    path, values, key = side.path, side.values or every_values, side.key or every_key
    if path.is_file() and not packed(path, key):
        names = array_names(path)
        key = (key if side.key or names else None) or (names[0] if len(names) == 1 else None)
        shape, kind, matlab = array_type(path, key)
        layout, channels = _layout(path, shape, matlab)
        if kind == np.uint8 and side.values is None and every_values is not None and array_ends(path, key)[1] > 1:
            values = None  # --values are for the others
        return Form(
            option, path, key, values, True, layout, channels, _doubts(f"{option} {path}", shape, layout, matlab)
        )
    return Form(option, path, key if list_pictures(path).keyed else None, values, False)


def _doubts(what: str, shape: tuple[int, ...], layout: str, matlab: bool) -> tuple[str, ...]:
    """How the axes of an array were taken, where they may mean something else."""
    if layout in ("HWN", "HWCN"):
        return (f"{what}: its shape {shape} is read as ({', '.join(layout)}), MATLAB's order of axes",)
    if matlab or (layout == "NHW" and shape[0] <= max(shape[1:]) and shape[1] != shape[2]):
        height, width = (shape[layout.index(axis)] for axis in "HW")
        return (f"{what}: its shape {shape} is read as {shape[0]:,} images of {height}x{width}",)
    return ()


def common_channels(forms: list[Form]) -> tuple[int, list[str]]:
    """Channels of the images, an array's, else one where all pictures are gray; and what loses its colour by it.

    Raises ``DataError``.
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
    """Whether each picture of a side is gray; those that cannot be read are no matter here."""
    for member in list_pictures(form.path, form.key).members(Counter()):
        try:
            yield look(member.shown, member.source).gray
        except Unreadable:
            continue  # said when all are known, or left out


def _layout(path: Path, shape: tuple[int, ...], matlab: bool) -> tuple[str, int]:
    """Meaning of the axes of an array, and its channels. Raises ``DataError``."""
    layout = likely_layout(shape, matlab)
    if layout is None:
        four = "of 4 axes one must have 1 or 3 channels (leave out alpha)"
        wanted = four if len(shape) == 4 else "expected (N, H, W), (N, C, H, W) or (N, H, W, C)"
        raise DataError(f"{path}: its array has the shape {shape}; {wanted}")
    return layout, shape[layout.index("C")] if "C" in layout else 1
