"""What the measuring stages wrote, as other stages read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa

from amdiff.artifacts import FILES, Artifact
from amdiff.files import read_json
from amdiff.neighbors.knn import NeighborTable
from amdiff.phases.classes import CLASSES
from amdiff.phases.distances import Distances, Pair, Threshold
from amdiff.phases.tables import Tables

from .context import Context
from .files import NEIGHBORS, read_h5

(THRESHOLDS,) = FILES["thresholds"]
TABLE, SUMMARY = FILES["classify"]


def read_table(path: Path, name: str) -> NeighborTable:
    """One of the tables of a neighbours file."""
    return NeighborTable(*read_h5(path, f"{name}/index", f"{name}/distance"))


def read_distances(context: Context, artifact: Artifact) -> Distances:
    """The nearest distances in a ``neighbors`` artifact."""
    path = context.store.file(artifact, NEIGHBORS)
    with h5py.File(path, "r") as file:
        stand_in = bool(file.attrs.get("stand_in", False))
    tables = Tables(**{field.name: read_table(path, field.name) for field in fields(Tables)})
    return tables.distances(artifact.params["size"], read_h5(path, "heldout_rows")[0], stand_in=stand_in)


def read_thresholds(context: Context, artifact: Artifact, size: int) -> dict[str, Any]:
    """What a ``thresholds`` artifact says about one K."""
    content = read_json(context.store.file(artifact, THRESHOLDS))
    (entry,) = [e for e in content["sizes"] if e["size"] == size]
    return entry


def threshold_pair(entry: Mapping[str, Any]) -> Pair:
    """Both thresholds of an entry of a ``thresholds`` artifact."""
    m, s = (Threshold(**{**entry[d], "modes": tuple(entry[d]["modes"])}) for d in ("delta_m", "delta_s"))
    return Pair(m, s, entry["d0"])


def class_numbers(table: pa.Table) -> np.ndarray:
    """Class of each sample of a table, int8: 0 memorized, 1 spurious, 2 generalized."""
    return np.array([CLASSES.index(c) for c in table["class"].to_pylist()], np.int8)


def read_summaries(context: Context, artifacts: Iterable[Artifact]) -> list[dict[str, Any]]:
    """What ``classify`` artifacts say about their K."""
    return [read_json(context.store.file(a, SUMMARY)) for a in artifacts]
