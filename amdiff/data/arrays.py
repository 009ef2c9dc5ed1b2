"""Arrays of one's own in files: .npy, .npz, HDF5 and MATLAB's .mat, read block by block and brought to uint8."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from amdiff.config import ArraysDataset
from amdiff.errors import DataError
from amdiff.levels import Numbers, to_nchw

from .images import BLOCK, Block, transform
from .readable import chosen, readable
from .tally import Tally

ARRAY_SUFFIXES = (".npy", ".npz", ".h5", ".hdf5", ".he5", ".hdf", ".mat")


@dataclass(frozen=True)
class Side:
    """One file of a dataset, and how its array is read."""

    title: str
    """Its part of the dataset, in notes."""
    path: Path
    key: str | None
    layout: str | None
    """None where it was not stated: NCHW, unless the shape speaks against it."""
    range: tuple[float, float] | None


def array_sides(spec: ArraysDataset) -> list[Side]:
    """The file, and the one with held-out images."""
    found = [Side("", spec.path, spec.key, spec.layout, spec.range)]
    if spec.heldout is not None:
        key, layout = spec.heldout_key or spec.key, spec.heldout_layout or spec.layout
        found.append(Side("held out", spec.heldout, key, layout, spec.heldout_range or spec.range))
    return found


def array_blocks(spec: ArraysDataset, tally: Tally) -> Iterator[Block]:
    """An array of one's own, then the held-out one. Raises ``DataError``."""
    shape = None
    for part, side in enumerate(array_sides(spec)):
        with _opened(side) as array:
            rows, numbers = Rows(array, side), Numbers(side.range)
            for start in range(0, max(1, rows.count), BLOCK):
                images = transform(numbers.to_uint8(rows.read(start, start + BLOCK)), spec)
                if shape is not None and images.shape[1:] != shape:
                    raise DataError(f"holds images of {images.shape[1:]}, {spec.path} of {shape}")
                shape = images.shape[1:]
                yield Block(images, test=part > 0)
            tally.said += [f"{side.title + ': ' if side.title else ''}{line}" for line in numbers.remarks()]


def peek_arrays(spec: ArraysDataset) -> tuple[int, int, tuple[int, ...]]:
    """Numbers of images and of held-out ones, and their shape (C, H, W). Raises ``DataError``."""
    counts, shape = [0, 0], ()
    for part, side in reversed(list(enumerate(array_sides(spec)))):
        with _opened(side) as array:
            rows = Rows(array, side)
            first = rows.read(0, 1)
            Numbers(side.range).to_uint8(first)  # its type and range are stated
            counts[part], shape = rows.count, tuple(first.shape[1:])
    return counts[0], counts[1], shape


@contextlib.contextmanager
def _opened(side: Side) -> Iterator[Any]:
    """The array of one side; complaints name the side where there are two."""
    try:
        with open_array(side.path, side.key) as array:
            yield array
    except DataError as error:
        raise DataError(f"{side.title}: {error}" if side.title else str(error)) from None


class Rows:
    """Images of an array whose axes are in some order. Raises ``DataError`` where they do not fit the layout."""

    def __init__(self, array: Any, side: Side) -> None:
        shape, layout = array_shape(array), side.layout or "NCHW"
        if len(shape) == len(layout) == 4 and side.layout is None and shape[1] not in (1, 3):
            likely = likely_layout(shape)
            if likely is not None:
                raise DataError(
                    f"its array has the shape {shape}, which reads as layout {likely}, not {layout}; set 'layout'"
                )
        if len(shape) != len(layout):
            raise DataError(f"layout {layout} has {len(layout)} axes, got an array of shape {shape}")
        self._array = array
        self._layout = layout[::-1] if is_matlab(array) else layout
        self.count = int(array.shape[self._layout.index("N")])

    def read(self, start: int, stop: int) -> np.ndarray:
        """Images [start, stop), (n, c, h, w)."""
        along = self._layout.index("N")
        part = (slice(None),) * along + (slice(start, stop),)
        return to_nchw(np.asarray(self._array[part]), self._layout)


def is_matlab(array: Any) -> bool:
    """Whether MATLAB wrote an array of HDF5, whose axes are then stored in reversed order."""
    return isinstance(array, h5py.Dataset) and "MATLAB_class" in array.attrs


def array_shape(array: Any) -> tuple[int, ...]:
    """Shape of an array as its author sees it."""
    shape = tuple(int(side) for side in array.shape)
    return shape[::-1] if is_matlab(array) else shape


def likely_layout(shape: tuple[int, ...], matlab: bool = False) -> str | None:
    """Meaning of the axes of an array of images of 1 or 3 channels; None where it is not clear.

    (H, W, C, N) and (H, W, N) are MATLAB's order; its files (``matlab``) have it, unless images are square otherwise.
    """
    if len(shape) == 3:
        if matlab:
            return "NHW" if shape[1] == shape[2] != shape[0] else "HWN"
        last = shape[0] == shape[1] != shape[2] and shape[1] > 3
        return "HWN" if last else "NHW"
    if len(shape) != 4:
        return None
    square = shape[0] == shape[1] > 3
    if shape[2] in (1, 3) and (square or shape[1] not in (1, 3)) and (square or shape[3] not in (1, 3)):
        return "HWCN"
    if shape[1] in (1, 3):
        return "NCHW"
    return "NHWC" if shape[3] in (1, 3) else None


class ArrayType(NamedTuple):
    """What is known of an array before it is read."""

    shape: tuple[int, ...]
    """As its author sees it."""
    dtype: np.dtype[Any]
    matlab: bool
    """Whether MATLAB's order of axes is to be expected."""


def array_type(path: Path, key: str | None = None) -> ArrayType:
    """Shape and type of an array in a file. Raises ``DataError``."""
    with open_array(path, key) as array:
        return ArrayType(array_shape(array), array.dtype, is_matlab(array) or path.suffix.lower() == ".mat")


def array_ends(path: Path, key: str | None = None) -> tuple[float, float]:
    """Smallest and largest value of an array in a file, NaN left out. Raises ``DataError``."""
    low, high = np.inf, -np.inf
    with open_array(path, key) as array:
        for start in range(0, len(array), BLOCK):
            values = np.asarray(array[start : start + BLOCK])
            if values.size and values.dtype.kind in "fiub":
                low, high = min(low, float(np.nanmin(values))), max(high, float(np.nanmax(values)))
    return low, high


@contextlib.contextmanager
def open_array(path: Path, key: str | None) -> Iterator[Any]:
    """The array of a file, read when it is sliced; what is wrong with it is a ``DataError`` with its path."""
    names = array_names(path)
    with readable(path):
        kind = _kind(path)
        if kind == "npy":
            if key is not None:
                raise DataError(f"key: got {key!r}, but a .npy holds one array, without a name; leave it out")
            yield np.load(path, mmap_mode="r", allow_pickle=False)
            return
        name = chosen(names, key, "array")
        if kind == "npz":
            with np.load(path, allow_pickle=False) as archive:
                yield archive[name]
        elif kind == "mat":  # before version 7.3
            from scipy.io import loadmat

            yield np.asarray(loadmat(path, variable_names=[name])[name])
        else:
            with h5py.File(path, "r") as file:
                yield file[name]


def array_names(path: Path) -> list[str]:
    """Names of the arrays in a file; none of a .npy, which holds one without a name. Raises ``DataError``."""
    with readable(path):
        match _kind(path):
            case "npz":
                with np.load(path, allow_pickle=False) as archive:
                    return list(archive)
            case "mat":
                from scipy.io import whosmat

                return [name for name, _, _ in whosmat(path)]
            case "hdf5":
                with h5py.File(path, "r") as file:
                    return _hdf5_names(file)
            case _:
                return []


def _hdf5_names(file: Any) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return [name for name in names if not name.startswith("#")]  # MATLAB's own


def _kind(path: Path) -> str:
    """Format of a file, by its first bytes. Raises ``DataError`` for others than those that are read."""
    if not path.is_file():
        raise DataError("there is no such file")
    with path.open("rb") as stream:
        head = stream.read(16)
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith(b"PK") and path.suffix.lower() == ".npz":
        return "npz"
    if h5py.is_hdf5(path):
        return "hdf5"
    if head.startswith(b"MATLAB 5.0"):
        return "mat"
    if path.suffix.lower() in ARRAY_SUFFIXES:
        raise DataError(f"cannot be read: its beginning is none of a {path.suffix} file; save or copy it again")
    raise DataError(
        f"is none of {', '.join(ARRAY_SUFFIXES)}; save the images as one array of these, as by numpy.save, or as files "
        "in a folder, a .zip, a .tar or a .parquet"
    )
