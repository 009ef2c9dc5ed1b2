"""Artifacts as the computing core wants them: arrays and image sources."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float32, Int64, UInt8

from amdiff.artifacts import FILES, Artifact, Store
from amdiff.files import ArtifactError, write_bytes
from amdiff.neighbors.sets import ImageSource

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


def dataset_counts(store: Store, dataset: Artifact) -> tuple[int, int]:
    """Numbers of training and of test images."""
    with h5py.File(store.file(dataset, IMAGES), "r") as file:
        test = int((file["split"][:] == 1).sum())
        return len(file["split"]) - test, test


def sample_images(store: Store, shards: Sequence[Artifact]) -> H5Images:
    """A synthetic set: its shards end to end."""
    return H5Images([store.file(shard, SAMPLES) for shard in shards], "images")


@dataclass(frozen=True)
class Selection:
    """Some images of a source, read when needed."""

    source: ImageSource
    chosen: Int64[np.ndarray, " n"]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.chosen), *self.source.shape[1:])

    def rows(self, indices: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n c h w"]:
        return self.source.rows(self.chosen[indices])


class VectorFile:
    """Vectors in a file of float32, one after the other: room for more than fits into memory."""

    def __init__(self, path: Path, dimension: int, count: int = 0) -> None:
        """Room for ``count`` vectors is reserved at once. Raises ``OSError`` where the disk has not so much."""
        self._path, self._width = path, 4 * dimension
        path.unlink(missing_ok=True)
        if count:
            with path.open("wb") as stream:
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


def read_h5(path: Path, *names: str) -> list[np.ndarray]:
    """Whole arrays of an HDF5 file."""
    try:
        with h5py.File(path, "r") as file:
            return [file[name][:] for name in names]
    except (OSError, KeyError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); delete its folder and run snakemake again") from None
