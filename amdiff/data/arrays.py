"""Reads a user's arrays of images (.npy, .npz, HDF5 and MATLAB's .mat) block by block, and converts them to uint8."""

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
    """One file of a dataset, and how to read its array."""

    title: str
    """Name of this part of the dataset in notes; empty for the main part."""
    path: Path
    """The file."""
    key: str | None
    """Name of the array in the file, if the file holds several."""
    layout: str | None
    """Meaning of the axes; None if the user did not state it. NCHW is assumed then, unless the shape contradicts it."""
    range: tuple[float, float] | None
    """Values that mean black and white; None if the user did not state them."""


def array_sides(spec: ArraysDataset) -> list[Side]:
    """The file of a dataset and, if there is one, the file with its held-out images."""
    found = [Side("", spec.path, spec.key, spec.layout, spec.range)]
    if spec.heldout is not None:
        key, layout = spec.heldout_key or spec.key, spec.heldout_layout or spec.layout
        found.append(Side("held out", spec.heldout, key, layout, spec.heldout_range or spec.range))
    return found


def array_blocks(spec: ArraysDataset, tally: Tally) -> Iterator[Block]:
    """The images of a user's array, then the held-out ones. Raises ``DataError``.

    ``tally`` receives the remarks about the range of the values.
    """
    shape = None
    for part, side in enumerate(array_sides(spec)):
        with _opened(side) as array:
            rows, numbers = Rows(array, side), Numbers(side.range)
            for start in range(0, max(1, rows.count), BLOCK):
                images = transform(numbers.to_uint8(rows.read(start, start + BLOCK)), spec)
                if shape is not None and images.shape[1:] != shape:
                    raise DataError(f"holds images of shape {images.shape[1:]}, those in {spec.path} have {shape}")
                shape = images.shape[1:]
                yield Block(images, test=part > 0)
            tally.said += [f"{side.title + ': ' if side.title else ''}{line}" for line in numbers.remarks()]


def peek_arrays(spec: ArraysDataset) -> tuple[int, int, tuple[int, ...]]:
    """The number of images, the number of held-out images, and their shape (C, H, W). Raises ``DataError``."""
    counts, shape = [0, 0], ()
    for part, side in reversed(list(enumerate(array_sides(spec)))):
        with _opened(side) as array:
            rows = Rows(array, side)
            first = rows.read(0, 1)
            Numbers(side.range).to_uint8(first)  # raises if the type or range is wrong
            counts[part], shape = rows.count, tuple(first.shape[1:])
    return counts[0], counts[1], shape


@contextlib.contextmanager
def _opened(side: Side) -> Iterator[Any]:
    """Open the array of one side. If the side has a title, error messages begin with it."""
    try:
        with open_array(side.path, side.key) as array:
            yield array
    except DataError as error:
        raise DataError(f"{side.title}: {error}" if side.title else str(error)) from None


class Rows:
    """The images of an array, read by number whatever the order of its axes.

    Raises ``DataError`` if the shape of the array does not fit the layout.
    """

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
        """Images ``start`` to ``stop`` - 1, as (n, c, h, w)."""
        along = self._layout.index("N")
        part = (slice(None),) * along + (slice(start, stop),)
        return to_nchw(np.asarray(self._array[part]), self._layout)


def is_matlab(array: Any) -> bool:
    """Whether MATLAB wrote an HDF5 array. The axes of such an array are stored in reversed order."""
    return isinstance(array, h5py.Dataset) and "MATLAB_class" in array.attrs


def array_shape(array: Any) -> tuple[int, ...]:
    """Shape of an array as its author sees it: for an HDF5 array of MATLAB, with the axes in MATLAB's order."""
    shape = tuple(int(side) for side in array.shape)
    return shape[::-1] if is_matlab(array) else shape


def likely_layout(shape: tuple[int, ...], matlab: bool = False) -> str | None:
    """The likely layout of an array of images with 1 or 3 channels; None if the shape does not tell.

    (H, W, C, N) and (H, W, N) are MATLAB's orders of the axes. A 3-dimensional array from a MATLAB file (``matlab``) is
    taken as (H, W, N), unless only (N, H, W) gives square images.
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
    """What is known about an array before it is read."""

    shape: tuple[int, ...]
    """The shape as the author of the array sees it."""
    dtype: np.dtype[Any]
    """The type of the values."""
    matlab: bool
    """Whether the file is one of MATLAB's, so that its order of the axes is to be expected."""


def array_type(path: Path, key: str | None = None) -> ArrayType:
    """Shape and type of an array in a file. Raises ``DataError``."""
    with open_array(path, key) as array:
        return ArrayType(array_shape(array), array.dtype, is_matlab(array) or path.suffix.lower() == ".mat")


def array_ends(path: Path, key: str | None = None) -> tuple[float, float]:
    """Smallest and largest value of an array in a file; NaN is ignored. Raises ``DataError``."""
    low, high = np.inf, -np.inf
    with open_array(path, key) as array:
        for start in range(0, len(array), BLOCK):
            values = np.asarray(array[start : start + BLOCK])
            if values.size and values.dtype.kind in "fiub":
                low, high = min(low, float(np.nanmin(values))), max(high, float(np.nanmax(values)))
    return low, high


@contextlib.contextmanager
def open_array(path: Path, key: str | None) -> Iterator[Any]:
    """Open an array of a file. Its values are read when it is sliced.

    Raises ``DataError``, with the path, if the file cannot be read.
    """
    names = array_names(path)
    with readable(path):
        kind = _kind(path)
        if kind == "npy":
            if key is not None:
                raise DataError(f"key: got {key!r}, but a .npy file holds one array without a name; leave out the key")
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
    """Names of the arrays in a file; none for a .npy file, whose only array has no name. Raises ``DataError``."""
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
    return [name for name in names if not name.startswith("#")]  # MATLAB keeps its own data there


def _kind(path: Path) -> str:
    """Format of a file, found from its first bytes. Raises ``DataError`` if amdiff cannot read the format."""
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
        raise DataError(f"cannot be read: it does not begin as a {path.suffix} file does; save or copy it again")
    raise DataError(
        f"is none of {', '.join(ARRAY_SUFFIXES)}; save the images as one array in one of these formats, as by "
        "numpy.save, or as picture files in a folder, a .zip, a .tar or a .parquet"
    )
