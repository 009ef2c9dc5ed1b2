"""Nearest neighbours of a synthetic set. Only metrics with a network need torch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import faiss
import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import LEAST_HELDOUT, NeighborsSpec
from amdiff.data.subsets import heldout_subset, training_subset
from amdiff.neighbors.knn import NeighborTable, nearest_neighbors
from amdiff.neighbors.sets import ImageSource, Selection
from amdiff.neighbors.vectors import Vectors
from amdiff.phases.distances import CALIBRATION, REST
from amdiff.phases.tables import measure

from .context import Context, threads
from .embedding import Embedded, search_device
from .hdf5 import write_h5
from .stored_images import dataset_counts, dataset_images, sample_images


def neighbors(context: Context, artifact: Artifact, folder: Path) -> None:
    """Find the nearest neighbours of S' in S and within S', and the same for held-out images."""
    faiss.omp_set_num_threads(threads())
    params = artifact.params
    spec = NeighborsSpec.model_validate({k: v for k, v in params.items() if k in NeighborsSpec.model_fields})
    source = artifact.parent("dataset")
    count, test = dataset_counts(context.store, source)
    images = dataset_images(context.store, source)
    # in the order of the file, so that blocks of S are read in one piece
    train_rows = np.sort(training_subset(count, params["size"], params["subset_seed"]))
    heldout_rows = heldout_subset(count, test, params["size"], params["subset_seed"], spec.heldout_limit)
    stand_in = bool(params.get("stand_in")) and len(heldout_rows) < LEAST_HELDOUT
    if stand_in:  # a training image lies as far from the other training images as a new real image does
        heldout_rows = training_subset(count, params["size"], params["subset_seed"])[: spec.heldout_limit]
    sources: dict[str, ImageSource] = {
        "train": Selection(images, train_rows),
        "samples": sample_images(context.store, artifact.parents["samples"]),
        "heldout": Selection(images, heldout_rows),
    }
    embedded = Embedded(context, artifact, spec.metric)
    real, synthetic, heldout = (embedded(role, part) for role, part in sources.items())
    halves = [embedded.part(heldout, rows) for rows in (CALIBRATION, REST)]
    device = search_device(context)
    progress = context.progress(artifact, 2 * synthetic.count, "queries")

    def search(queries: Vectors, database: Vectors, k: int) -> NeighborTable:
        def report(done: int) -> None:
            if queries is synthetic:
                progress.update(done + (synthetic.count if database is synthetic else 0))

        memory = context.runtime.neighbor_memory_mb
        return nearest_neighbors(queries, database, k, memory_mb=memory, device=device, callback=report)

    itself = np.searchsorted(train_rows, heldout_rows) if stand_in else None
    tables = measure(synthetic, real, heldout, halves, spec.k, itself=itself, search=search)
    arrays = {f"{name}/{field}": array for name, table in asdict(tables).items() for field, array in table.items()}
    arrays |= {"train_rows": train_rows, "heldout_rows": heldout_rows}
    attributes = {
        "address": artifact.address,
        "metric": spec.metric,
        "train_rows@meaning": "row of the canonical dataset of each training image, in the order of 'index'",
        "heldout_rows@meaning": "row of the canonical dataset of each held-out image",
        **({"stand_in": True} if stand_in else {}),
        "heldout_nearest@meaning": "neighbours among the held-out images without the image itself",
        "heldout_within@meaning": "neighbours within the held-out image's half: every other one (first: calibration)",
        "samples_to_samples@meaning": "neighbours in S' without the sample itself",
    }
    write_h5(folder / artifact.file(), arrays, attributes)
    embedded.keep()
