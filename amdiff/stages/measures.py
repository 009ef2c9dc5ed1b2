"""Stages that measure a synthetic set: neighbors, classify. Only perceptual metrics need torch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa

from amdiff.artifacts import Artifact
from amdiff.config import LEAST_HELDOUT, NeighborsSpec
from amdiff.data.subsets import heldout_subset, training_subset
from amdiff.files import write_json
from amdiff.neighbors.knn import NeighborTable, nearest_neighbors
from amdiff.neighbors.sets import DistinctSet, ImageSource, Selection
from amdiff.neighbors.vectors import Vectors
from amdiff.phases.attractors import halo
from amdiff.phases.classes import CLASSES, MEMORIZED, SPURIOUS
from amdiff.phases.distances import CALIBRATION, REST
from amdiff.phases.plausibility import implausible_sentence, plausibility
from amdiff.phases.sorting import sort_at
from amdiff.phases.tables import measure
from amdiff.phases.uncertainty import fold_fractions

from .context import Context, say, threads
from .files import NEIGHBORS, SAMPLES, dataset_counts, dataset_images, read_h5, sample_images, write_h5
from .measured import SUMMARY, TABLE, read_table, read_thresholds, threshold_pair
from .metrics import as_vectors, load_metric, search_device
from .parquet import write_parquet


def neighbors(context: Context, artifact: Artifact, folder: Path) -> None:
    """Nearest neighbours of S' in S and in S', and the same for held-out images."""
    faiss.omp_set_num_threads(threads())
    params = artifact.params
    spec = NeighborsSpec.model_validate({k: v for k, v in params.items() if k in NeighborsSpec.model_fields})
    embedding = load_metric(context, artifact, spec.metric)
    source = artifact.parent("dataset")
    count, test = dataset_counts(context.store, source)
    images = dataset_images(context.store, source)
    # in the order of the file, so that blocks of S are read in one piece
    train_rows = np.sort(training_subset(count, params["size"], params["subset_seed"]))
    heldout_rows = heldout_subset(count, test, params["size"], params["subset_seed"], spec.heldout_limit)
    stand_in = bool(params.get("stand_in")) and len(heldout_rows) < LEAST_HELDOUT
    if stand_in:  # without themselves, training images are as far from the others as real images that are new
        heldout_rows = training_subset(count, params["size"], params["subset_seed"])[: spec.heldout_limit]
    sources: dict[str, ImageSource] = {
        "train": Selection(images, train_rows),
        "samples": sample_images(context.store, artifact.parents["samples"]),
        "heldout": Selection(images, heldout_rows),
        "calibration": Selection(images, heldout_rows[CALIBRATION]),
        "rest": Selection(images, heldout_rows[REST]),
    }
    real, synthetic, heldout, *halves = (
        as_vectors(context, artifact, embedding, role, DistinctSet.of(part)) for role, part in sources.items()
    )

    device = search_device(context)
    progress = context.progress(artifact, 2 * len(synthetic), "queries")

    def search(queries: Vectors, database: Vectors, k: int) -> NeighborTable:
        def report(done: int) -> None:
            if queries is synthetic:
                progress.update(done + (len(synthetic) if database is synthetic else 0))

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
    write_h5(folder / NEIGHBORS, arrays, attributes)


def classify(context: Context, artifact: Artifact, folder: Path) -> None:
    """Class and attractor of every sample, fractions with intervals, attractors."""
    faiss.omp_set_num_threads(threads())
    size, source = artifact.params["size"], artifact.parent("neighbors")
    path = context.store.file(source, NEIGHBORS)
    to_train, to_samples = read_table(path, "samples_to_train"), read_table(path, "samples_to_samples")
    entry = read_thresholds(context, artifact.parent("thresholds"), size)
    pair = threshold_pair(entry)
    confidence = artifact.parent("thresholds").params["confidence"]
    delta_m, delta_s = pair.delta_m.value, pair.delta_s.value
    images = DistinctSet.of(sample_images(context.store, artifact.parents["samples"]))
    embedding = load_metric(context, artifact, artifact.params["metric"])
    vectors = as_vectors(context, artifact, embedding, "samples", images)
    memory, device = context.runtime.neighbor_memory_mb, search_device(context)
    phases = sort_at(
        vectors, to_train, to_samples, delta_m, delta_s, confidence=confidence, memory_mb=memory, device=device
    )
    classes, given, labels, found = phases.classes, phases.fractions, phases.component, phases.attractors
    shares = fold_fractions(given, to_train.nearest, to_samples.nearest, pair)
    plausible = plausibility(to_train.nearest, read_table(path, "heldout_to_train").nearest, confidence)
    (train_rows,) = read_h5(path, "train_rows")
    keys = np.concatenate([read_h5(context.store.file(a, SAMPLES), "seed")[0] for a in artifact.parents["samples"]])

    columns: dict[str, Any] = {
        "K": np.full(len(classes), size, np.int32),
        "index": np.arange(len(classes)),
        "seed": keys[:, 0],
        "class": pa.DictionaryArray.from_arrays(pa.array(classes), list(CLASSES)),
        "attractor": pa.array(labels, mask=labels >= len(found.size)),
    }
    for j in range(to_train.index.shape[1]):
        absent = to_train.index[:, j] < 0
        columns[f"train_neighbor_{j + 1}"] = pa.array(train_rows[to_train.index[:, j]], mask=absent)
        columns[f"train_distance_{j + 1}"] = pa.array(to_train.distance[:, j], mask=absent)
    for j in range(to_samples.index.shape[1]):
        absent = to_samples.index[:, j] < 0
        columns[f"sample_neighbor_{j + 1}"] = pa.array(to_samples.index[:, j], mask=absent)
        columns[f"sample_distance_{j + 1}"] = pa.array(to_samples.distance[:, j], mask=absent)
    write_parquet(folder / TABLE, columns)

    around = halo(labels, classes)
    summary = {
        "size": size,
        "n_samples": len(classes),
        "delta_m": delta_m,
        "delta_s": delta_s,
        "confidence": confidence,
        "fractions": {name: shares[name]._asdict() for name in CLASSES},
        "given_thresholds": {name: given[name]._asdict() for name in CLASSES},
        "plausibility": None if plausible is None else plausible.as_json(),
        "spurious_split": {
            "halo": float(around.mean()),
            "proper": float(((classes == SPURIOUS) & ~around).mean()),
        },
        "attractors": {
            "memories": int((~found.proper).sum()),
            "spurious": int(found.proper.sum()),
            "memorized_images": len(np.unique(to_train.index[classes == MEMORIZED, 0])),
            "table": [
                {
                    "attractor": a,
                    "kind": "spurious" if found.proper[a] else "memory",
                    "size": int(found.size[a]),
                    "memorized": int(found.memorized[a]),
                    "spurious": int(found.spurious[a]),
                    "representative": int(found.representative[a]),
                    "train_distance": float(found.train_distance[a]),
                    "train_neighbor": int(train_rows[to_train.index[found.closest[a], 0]]),
                }
                for a in range(len(found.size))
            ],
        },
    }
    write_json(folder / SUMMARY, summary)
    text = ", ".join(f"{name} {shares[name].value:.3f}" for name in CLASSES)
    say(f"classify {artifact.dataset} {artifact.label}: {text}; {int(found.proper.sum())} spurious attractors")
    if plausible is not None and plausible.implausible:
        say(f"note: {artifact.dataset} {artifact.label}: {implausible_sentence(plausible.far)}")
