"""Reads neighbours, thresholds and classes from the artifacts of the stages that found them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from amdiff.artifacts import Artifact
from amdiff.files import read_json
from amdiff.neighbors.knn import NeighborTable
from amdiff.phases.classes import class_numbers
from amdiff.phases.distances import Distances, Pair
from amdiff.phases.tables import Tables

from .context import Context
from .hdf5 import read_h5
from .parquet import read_parquet


def read_table(path: Path, name: str) -> NeighborTable:
    """Read one of the tables in the file of a ``neighbors`` artifact."""
    return NeighborTable(*read_h5(path, f"{name}/index", f"{name}/distance"))


def read_distances(context: Context, artifact: Artifact) -> Distances:
    """Read the nearest distances in a ``neighbors`` artifact."""
    path = context.store.file(artifact)
    with h5py.File(path, "r") as file:
        stand_in = bool(file.attrs.get("stand_in", False))
    tables = Tables(**{field.name: read_table(path, field.name) for field in fields(Tables)})
    return tables.distances(artifact.params["size"], read_h5(path, "heldout_rows")[0], stand_in=stand_in)


def read_thresholds(context: Context, artifact: Artifact, size: int) -> dict[str, Any]:
    """What a ``thresholds`` artifact says about one K."""
    content = read_json(context.store.file(artifact))
    (entry,) = [e for e in content["sizes"] if e["size"] == size]
    return entry


def threshold_pair(entry: Mapping[str, Any]) -> Pair:
    """Both thresholds in an entry of a ``thresholds`` artifact."""
    return TypeAdapter(Pair).validate_python({key: entry[key] for key in ("delta_m", "delta_s", "d0")})


def read_samples(context: Context, artifact: Artifact, *columns: str) -> pa.Table:
    """The table of samples of a ``classify`` artifact, with one row for each sample: the given columns, or all."""
    return read_parquet(context.store.file(artifact, "samples"), list(columns) or None)


def read_classes(context: Context, artifact: Artifact) -> np.ndarray:
    """Class of each sample of a ``classify`` artifact, int8: 0 memorized, 1 spurious, 2 generalized."""
    return class_numbers(read_samples(context, artifact, "class")["class"].to_pylist())


def read_summaries(context: Context, artifacts: Iterable[Artifact]) -> list[dict[str, Any]]:
    """The summaries of ``classify`` artifacts, in their order."""
    return [read_json(context.store.file(a, "summary")) for a in artifacts]
