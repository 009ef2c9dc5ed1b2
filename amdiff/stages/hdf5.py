"""HDF5 files that are written completely or not at all."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from amdiff.errors import ArtifactError
from amdiff.files import atomic_file, write_bytes


def write_h5(
    path: Path, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any], *, compress: bool = False
) -> None:
    """Write arrays to an HDF5 file, atomically.

    The arrays are chunked along their first axis, and their names may contain '/'. An attribute ``"name@key"`` belongs
    to the array ``name``, any other attribute to the file. The file is first made in memory, since the HDF5 library
    does not survive a full disk. If ``compress`` is set, the arrays are compressed by gzip.
    """
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        for name, array in arrays.items():
            rows = max(1, min(len(array), 2**20 // max(1, array[:1].nbytes)))
            chunks = (rows, *array.shape[1:]) if array.size else None
            compression = "gzip" if compress and array.size else None
            file.create_dataset(name, data=array, chunks=chunks, compression=compression)
        for key, value in attributes.items():
            owner, _, name = key.rpartition("@")
            (file[owner] if owner else file).attrs[name] = value
        file.flush()
        write_bytes(path, file.id.get_file_image())


class H5Writer:
    """Writes an HDF5 file block by block, atomically. Its arrays grow along their first axis.

    The HDF5 library does not survive a full disk. It therefore writes to a file object that never raises an error, and
    the first error is raised when the block is done.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> H5Writer:
        self._stack = contextlib.ExitStack()
        temporary = self._stack.enter_context(atomic_file(self._path))
        self._sink = _Sink(self._stack.enter_context(temporary.open("w+b")))
        self._stack.callback(self._sink.check)
        self._file = self._stack.enter_context(h5py.File(self._sink, "w"))
        return self

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)

    def append(self, name: str, rows: np.ndarray) -> None:
        """Append rows to an array; the first rows create it. Raises ``OSError`` if they cannot be written."""
        if name not in self._file:
            chunk = max(1, 2**20 // max(1, rows[:1].nbytes))
            shape, most = (0, *rows.shape[1:]), (None, *rows.shape[1:])
            self._file.create_dataset(name, shape, rows.dtype, maxshape=most, chunks=(chunk, *rows.shape[1:]))
        array = self._file[name]
        array.resize(len(array) + len(rows), axis=0)
        array[len(array) - len(rows) :] = rows
        self._sink.check()

    def attribute(self, name: str, value: Any) -> None:
        """Set an attribute of the file, or of an array if ``name`` is ``"array@key"``."""
        owner, _, key = name.rpartition("@")
        (self._file[owner] if owner else self._file).attrs[key] = value


class _Sink(io.RawIOBase):
    """A file that remembers the first error of a write instead of raising it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first error of a write, if there was one."""
        if self._error is not None:
            raise self._error

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._attempt(lambda: self._stream.write(data))
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        self._attempt(lambda: self._stream.truncate(size))
        return size or 0

    def flush(self) -> None:
        self._attempt(self._stream.flush)

    def _attempt(self, act: Callable[[], object]) -> None:
        try:
            if self._error is None:
                act()
        except OSError as error:
            self._error = error

    def readinto(self, buffer: Any) -> int:
        found = self._stream.readinto(buffer) or 0  # type: ignore[attr-defined]
        buffer[found:] = bytes(len(buffer) - found)
        return len(buffer)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def read_h5(path: Path, *names: str) -> list[np.ndarray]:
    """Read whole arrays of an HDF5 file. Raises ``ArtifactError`` if one of them cannot be read."""
    try:
        with h5py.File(path, "r") as file:
            return [file[name][:] for name in names]
    except (OSError, KeyError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); delete its folder and run snakemake again") from None
