"""Artifacts as the computing core wants them: arrays and image sources."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from jaxtyping import Float32, Int64, Shaped, UInt8

from amdiff.artifacts import FILES, Artifact
from amdiff.files import ArtifactError, atomic_file, write_bytes
from amdiff.store import Store

(IMAGES,), (SAMPLES,), (NEIGHBORS,) = (FILES[stage] for stage in ("dataset", "sample", "neighbors"))


class H5Images:
    """Images in one or several HDF5 files, end to end, read when needed."""

    def __init__(self, paths: Sequence[Path], name: str) -> None:
        try:
            self._parts = [h5py.File(path, "r")[name] for path in paths]
        except (OSError, KeyError) as error:
            raise ArtifactError(f"{paths[0]} cannot be read as HDF5 images ({error})") from None
        self._ends = np.cumsum([len(p) for p in self._parts])

    @property
    def shape(self) -> tuple[int, ...]:
        return (int(self._ends[-1]), *self._parts[0].shape[1:])

    def rows(self, indices: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n c h w"]:
        out = np.empty((len(indices), *self.shape[1:]), np.uint8)
        part = np.searchsorted(self._ends, indices, side="right")
        for number in np.unique(part):
            here = np.flatnonzero(part == number)
            local = indices[here] - (self._ends[number] - len(self._parts[number]))
            order = np.argsort(local, kind="stable")
            for start in range(0, len(order), _PIECE):
                piece = order[start : start + _PIECE]
                out[here[piece]] = _read(self._parts[number], local[piece])
        return out


_PIECE = 2048
"""Rows that are read together."""


def _read(part: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    """Rows of an HDF5 dataset, given in increasing order."""
    low, high = int(rows[0]), int(rows[-1]) + 1
    if high - low <= 4 * len(rows):  # one slab is quicker than many small reads
        return part[low:high][rows - low]
    distinct, back = np.unique(rows, return_inverse=True)
    return part[distinct][back]


def dataset_images(store: Store, dataset: Artifact) -> H5Images:
    """All images of a canonical dataset, the training part first."""
    return H5Images([store.file(dataset, IMAGES)], "images")


def image_names(
    store: Store, dataset: Artifact, rows: Int64[np.ndarray, " n"] | None = None
) -> Shaped[np.ndarray, " n"] | None:
    """Files that the images of a canonical dataset were, of all or of some; None where they were no files."""
    with h5py.File(store.file(dataset, IMAGES), "r") as file:
        if "names" not in file:
            return None
        if rows is None:
            return file["names"].asstr(errors="replace")[:]
        distinct, back = np.unique(rows, return_inverse=True)
        return file["names"].asstr(errors="replace")[distinct][back] if len(rows) else np.empty(0, object)


def dataset_counts(store: Store, dataset: Artifact) -> tuple[int, int]:
    """Numbers of training and of test images."""
    with h5py.File(store.file(dataset, IMAGES), "r") as file:
        test = int((file["split"][:] == 1).sum())
        return len(file["split"]) - test, test


def sample_images(store: Store, shards: Sequence[Artifact]) -> H5Images:
    """A synthetic set: its shards end to end."""
    return H5Images([store.file(shard, SAMPLES) for shard in shards], "images")


class VectorFile:
    """Vectors in a file of float32, one after the other: room for more than fits into memory."""

    def __init__(self, path: Path, dimension: int, count: int = 0) -> None:
        """Room for ``count`` vectors is reserved at once. Raises ``OSError`` where the disk has not so much."""
        self._path, self._width = path, 4 * dimension
        path.unlink(missing_ok=True)
        if count:
            with path.open("wb") as stream:
                if sys.platform == "darwin":  # has no such call
                    stream.truncate(count * self._width)
                else:
                    os.posix_fallocate(stream.fileno(), 0, count * self._width)

    def write(self, start: int, vectors: Float32[np.ndarray, "n d"]) -> None:
        """Keep vectors as numbers ``start`` and on."""
        with self._path.open("r+b" if self._path.exists() else "wb") as stream:
            stream.seek(start * self._width)
            stream.write(np.ascontiguousarray(vectors).data)

    def read(self, start: int, stop: int) -> Float32[np.ndarray, "n d"]:
        """Vectors [start, stop), in memory."""
        with self._path.open("rb") as stream:
            flat = np.fromfile(stream, np.float32, (stop - start) * self._width // 4, offset=start * self._width)
        return flat.reshape(stop - start, self._width // 4)


def write_h5(
    path: Path, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any], *, compress: bool = False
) -> None:
    """Write arrays (names may hold '/'), chunked along the first axis, atomically.

    An attribute ``"name@key"`` belongs to the array ``name``, any other to the file. The file is made
    in memory: HDF5 does not survive a full disk.
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
    """An HDF5 file written block by block, atomically: arrays that grow along their first axis.

    HDF5 does not survive a full disk, so it is given a file that always takes what is written; the first error is
    raised when the block is done.
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
        """Append to an array, which begins with its first rows. Raises ``OSError`` where there is no room."""
        if name not in self._file:
            chunk = max(1, 2**20 // max(1, rows[:1].nbytes))
            shape, most = (0, *rows.shape[1:]), (None, *rows.shape[1:])
            self._file.create_dataset(name, shape, rows.dtype, maxshape=most, chunks=(chunk, *rows.shape[1:]))
        array = self._file[name]
        array.resize(len(array) + len(rows), axis=0)
        array[len(array) - len(rows) :] = rows
        self._sink.check()

    def attribute(self, name: str, value: Any) -> None:
        """An attribute of the file; ``"array@key"`` is one of an array."""
        owner, _, key = name.rpartition("@")
        (self._file[owner] if owner else self._file).attrs[key] = value


class _Sink(io.RawIOBase):
    """A file that remembers the first error of a write in place of raising it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the error that a write had."""
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
    """Whole arrays of an HDF5 file."""
    try:
        with h5py.File(path, "r") as file:
            return [file[name][:] for name in names]
    except (OSError, KeyError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); delete its folder and run snakemake again") from None
