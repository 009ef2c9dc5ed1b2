"""Nearest neighbours of a synthetic set. Only metrics with a network need torch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import faiss
import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import LEAST_HELDOUT, NeighborsSpec
from amdiff.neighbors.knn import NeighborTable, nearest_neighbors
from amdiff.neighbors.sets import ImageSource, Selection
from amdiff.neighbors.vectors import Vectors
from amdiff.phases.distances import CALIBRATION, REST
from amdiff.phases.tables import measure

from .context import Context, threads
from .embedding import Embedded, search_device
from .hdf5 import write_h5
from .stored_images import dataset_images, sample_images
from .subsets import heldout_rows, training_rows


def neighbors(context: Context, artifact: Artifact, folder: Path) -> None:
    """Find the nearest neighbours of S' in S and within S', and the same for held-out images."""
    faiss.omp_set_num_threads(threads())
    params = artifact.params
    spec = NeighborsSpec.model_validate({k: v for k, v in params.items() if k in NeighborsSpec.model_fields})
    source = artifact.parent("dataset")
    images = dataset_images(context.store, source)
    # in the order of the file, so that blocks of S are read in one piece
    train = np.sort(training_rows(context, artifact))
    held = heldout_rows(context, artifact, spec.heldout_limit)
    stand_in = bool(params.get("stand_in")) and len(held) < LEAST_HELDOUT
    if stand_in:  # a training image lies as far from the other training images as a new real image does
        held = training_rows(context, artifact)[: spec.heldout_limit]
    sources: dict[str, ImageSource] = {
        "train": Selection(images, train),
        "samples": sample_images(context.store, artifact.parents["samples"]),
        "heldout": Selection(images, held),
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

    itself = np.searchsorted(train, held) if stand_in else None
    tables = measure(synthetic, real, heldout, halves, spec.k, itself=itself, search=search)
    arrays = {f"{name}/{field}": array for name, table in asdict(tables).items() for field, array in table.items()}
    arrays |= {"train_rows": train, "heldout_rows": held}
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
