"""Other measures of copying from the literature, for comparison with the three classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import PeersSpec
from amdiff.files import write_json
from amdiff.neighbors.cells import cell_distances
from amdiff.neighbors.knn import nearest_neighbors
from amdiff.neighbors.sets import Selection
from amdiff.neighbors.vectors import Vectors
from amdiff.phases.classes import MEMORIZED
from amdiff.phases.copying import authentic, data_copying, nearest_ratio
from amdiff.phases.intervals import wilson

from .console import say
from .context import Context, threads
from .embedding import Embedded, search_device
from .hdf5 import read_h5
from .parquet import write_parquet
from .stored_images import dataset_images, sample_images
from .stored_tables import read_classes, read_distances, read_table


def peers(context: Context, artifact: Artifact, folder: Path) -> None:
    """Compute nearest-neighbour ratios, AuthPct and C_T of a synthetic set, and how they agree with the classes."""
    faiss.omp_set_num_threads(threads())
    spec = PeersSpec.model_validate(artifact.params["peers"])
    table = context.store.file(artifact.parent("neighbors"))
    near = read_table(table, "samples_to_train")
    train_rows, heldout_rows = read_h5(table, "train_rows", "heldout_rows")
    embedded = Embedded(context, artifact, artifact.params["metric"])
    train = embedded("train", Selection(dataset_images(context.store, artifact.parent("dataset")), train_rows))
    # the papers take ratios of norms, not of squared norms
    distance = np.sqrt(near.distance) if embedded.embedding.squared else near.distance
    within = _within_train(context, embedded, train, near.index[:, 0])
    columns = {
        "ratio_second": nearest_ratio(distance, 1),
        "ratio_next": nearest_ratio(distance, spec.following),
        "authentic": authentic(near.nearest, near.index[:, 0], within),
    }
    copies = {
        "ratio_second": columns["ratio_second"] < spec.ratio,
        "ratio_next": columns["ratio_next"] < spec.ratio,
        "authpct": ~columns["authentic"],
    }
    classes = read_classes(context, artifact.parent("classify"))
    known = {name: ~np.isnan(columns[name]) for name in ("ratio_second", "ratio_next")}
    known["authpct"] = np.isfinite(within[near.index[:, 0]])  # infinite if there is only one training image
    summary: dict[str, Any] = {
        "size": artifact.params["size"],
        "ratio": spec.ratio,
        "following": spec.following,
        "copies": {
            name: _agreement(flags, classes == MEMORIZED, known[name], spec.confidence)
            for name, flags in copies.items()
        },
        "c_t": _c_t(context, artifact, spec, embedded, train, heldout_rows),
    }
    embedded.keep()
    write_json(folder / artifact.file("summary"), summary)
    write_parquet(folder / artifact.file("samples"), columns)
    shares = ", ".join(f"{name} {found['share']:.3f}" for name, found in summary["copies"].items() if found)
    say(f"peers {artifact.subject} {artifact.label}: copies by {shares}")


def _within_train(context: Context, embedded: Embedded, train: Vectors, wanted: np.ndarray) -> np.ndarray:
    """Distance of each wanted training image to the nearest other one, (K,). It is NaN for images not wanted."""
    rows = np.unique(wanted)
    chosen = embedded.part(train, rows)
    memory = context.runtime.neighbor_memory_mb
    found = nearest_neighbors(chosen, train, 2, memory_mb=memory, device=search_device(context))
    out = np.full(train.images.size, np.nan)
    out[rows] = found.without(rows).nearest
    return out


def _agreement(flags: np.ndarray, memorized: np.ndarray, known: np.ndarray, confidence: float) -> dict[str, Any] | None:
    """Share of samples that are copies by another measure, with Wilson's interval, and its agreement with our classes.

    None if the measure cannot be computed, as with too few training images.
    """
    if not known.any():
        return None
    flags, memorized = flags[known], memorized[known]
    share = wilson(float(flags.mean()), len(flags), confidence)
    return {
        "share": share.value,
        "low": share.low,
        "high": share.high,
        "both": int((flags & memorized).sum()),
        "theirs_only": int((flags & ~memorized).sum()),
        "ours_only": int((~flags & memorized).sum()),
        "neither": int((~flags & ~memorized).sum()),
    }


def _c_t(
    context: Context,
    artifact: Artifact,
    spec: PeersSpec,
    embedded: Embedded,
    train: Vectors,
    heldout_rows: np.ndarray,
) -> dict[str, Any] | None:
    """C_T, or None without held-out images.

    Training images cannot stand in for held-out images here, since their distance to the training set is 0.
    """
    if read_distances(context, artifact.parent("neighbors")).stand_in or not len(heldout_rows):
        return None
    images = dataset_images(context.store, artifact.parent("dataset"))
    sides = [
        embedded("samples", sample_images(context.store, artifact.parents["samples"])),
        embedded("heldout", Selection(images, heldout_rows)),
    ]
    cells = max(1, min(spec.cells, train.images.size // 10))
    (own, far), (cell, real) = cell_distances(
        sides, train, cells, memory_mb=context.runtime.neighbor_memory_mb, seed=spec.seed
    )
    found = data_copying(far, own, real, cell)
    return (
        None
        if found is None
        else {"value": found.value, "z": list(found.z), "cells": list(found.cells), "std": found.std}
    )
