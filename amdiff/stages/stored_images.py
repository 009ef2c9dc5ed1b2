"""Images of datasets and synthetic sets. They are read from their artifacts when they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Int64, Shaped, UInt8

from amdiff.artifacts import Artifact
from amdiff.errors import ArtifactError
from amdiff.store import Store


class H5Images:
    """Images in one or several HDF5 files, end to end. They are read when they are needed.

    ``name`` is the name of the array of images in each file. Raises ``ArtifactError`` if a file has no such array or
    cannot be read.
    """

    def __init__(self, paths: Sequence[Path], name: str) -> None:
        try:
            self._parts = [h5py.File(path, "r")[name] for path in paths]
        except (OSError, KeyError) as error:
            raise ArtifactError(f"{paths[0]} cannot be read as HDF5 images ({error})") from None
        self._ends = np.cumsum([len(p) for p in self._parts])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (n, C, H, W) of all images together."""
        return (int(self._ends[-1]), *self._parts[0].shape[1:])

    def rows(self, indices: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n c h w"]:
        """Read the images with the numbers ``indices``, in any order and also more than once."""
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
"""Number of rows that are read together."""


def _read(part: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    """Rows of an HDF5 dataset, given in increasing order."""
    low, high = int(rows[0]), int(rows[-1]) + 1
    if high - low <= 4 * len(rows):  # one read of the whole range is faster than many small ones
        return part[low:high][rows - low]
    distinct, back = np.unique(rows, return_inverse=True)
    return part[distinct][back]


def dataset_images(store: Store, dataset: Artifact) -> H5Images:
    """All images of a canonical dataset, the training part first."""
    return H5Images([store.file(dataset)], "images")


def dataset_shape(store: Store, dataset: Artifact) -> tuple[int, ...]:
    """Shape (C, H, W) of the images of a canonical dataset, or shape (2,) of its points."""
    with h5py.File(store.file(dataset), "r") as file:
        return tuple(file["images" if "images" in file else "points"].shape[1:])


def image_names(
    store: Store, dataset: Artifact, rows: Int64[np.ndarray, " n"] | None = None
) -> Shaped[np.ndarray, " n"] | None:
    """Names of the files from which images of a canonical dataset were read: of all images, or of the given ``rows``.

    None if the images were not read from files of their own.
    """
    with h5py.File(store.file(dataset), "r") as file:
        if "names" not in file:
            return None
        if rows is None:
            return file["names"].asstr(errors="replace")[:]
        distinct, back = np.unique(rows, return_inverse=True)
        return file["names"].asstr(errors="replace")[distinct][back] if len(rows) else np.empty(0, object)


def dataset_counts(store: Store, dataset: Artifact) -> tuple[int, int]:
    """Number of training images and number of test images."""
    with h5py.File(store.file(dataset), "r") as file:
        test = int((file["split"][:] == 1).sum())
        return len(file["split"]) - test, test


def sample_images(store: Store, shards: Sequence[Artifact]) -> H5Images:
    """A synthetic set: its shards end to end."""
    return H5Images([store.file(shard) for shard in shards], "images")
