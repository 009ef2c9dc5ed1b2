"""Brings a dataset into its canonical form."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import CircleDataset, OwnDataset
from amdiff.data.builtin import circle
from amdiff.data.datasets import Reading
from amdiff.data.digests import source_digest
from amdiff.errors import DataError

from .console import say
from .context import Context
from .hdf5 import H5Writer, write_h5


def dataset(context: Context, artifact: Artifact, folder: Path) -> None:
    """Read a dataset from its source and write it as canonical HDF5. Raises ``DataError`` if the source has changed."""
    spec = context.config.datasets[artifact.subject]
    path = folder / artifact.file()
    if isinstance(spec, CircleDataset):
        write_h5(path, {"points": circle(spec)}, {"address": artifact.address, "source": "unit circle"})
        return
    if isinstance(spec, OwnDataset):
        if source_digest(spec, {}) != artifact.params["source"]:
            raise DataError(f"{spec.path} has changed since this run started; run snakemake again")
        context.facts["path"] = str(spec.path)
    reading = Reading(spec)
    with H5Writer(path) as file:
        for block in reading:
            arrays = {"images": block.images, "split": np.full(len(block.images), block.test, np.uint8)}
            if block.labels is not None:
                arrays["labels"] = block.labels
            if block.names is not None:
                encoded = np.char.encode(block.names, "utf-8", "replace")
                arrays["names"] = encoded.astype(h5py.string_dtype())
            for name, rows in arrays.items():
                file.append(name, rows)
        for name, value in {
            "address": artifact.address,
            "source": reading.source,
            "digest": reading.digest,
            "duplicates": reading.duplicates,
            "images@range": "0 is -1 (black), 255 is 1 (white)",
            "split@meaning": "0 train, 1 test",
        }.items():
            file.attribute(name, value)
    kind = "left out" if spec.deduplicate else "kept"
    say(f"dataset {artifact.subject}: {reading.train:,} training and {reading.test:,} test images of "
        f"{block.images.shape[1:]}, {reading.duplicates:,} byte-equal duplicates {kind}")  # fmt: skip
    context.remark(f"dataset {artifact.subject}", reading.notes)
    context.facts["images"] = {"train": reading.train, "test": reading.test, "duplicates": reading.duplicates}
    context.facts["values"] = reading.values
