"""Stages that measure a synthetic set: neighbors, thresholds, classify. Only perceptual metrics need torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from amdiff.artifacts import Artifact
from amdiff.config import BorrowedThresholds, GridSpec, NeighborsSpec, ThresholdsSpec
from amdiff.data.subsets import heldout_subset, training_subset
from amdiff.files import atomic_file, read_json, write_json
from amdiff.neighbors.knn import NeighborTable, nearest_neighbors
from amdiff.neighbors.radius import radius_pairs
from amdiff.neighbors.sets import DistinctSet, ImageSource
from amdiff.neighbors.vectors import Vectors
from amdiff.phases.attractors import components, describe, halo
from amdiff.phases.classes import CLASSES, MEMORIZED, SPURIOUS, classify as classify_samples, fractions
from amdiff.phases.costs import as_json
from amdiff.phases.distances import Distances, Pair, Threshold
from amdiff.phases.thresholds import find_thresholds
from amdiff.phases.transition import find_transition
from amdiff.project import GRID

from .context import Context, say, threads
from .files import NEIGHBORS, SAMPLES, Selection, dataset_counts, dataset_images, read_h5, sample_images, write_h5
from .metrics import as_vectors, load_metric, use_gpu

THRESHOLDS, SUMMARY, TABLE = "thresholds.json", "summary.json", "samples.parquet"


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
    middle = len(heldout_rows) // 2
    sources: dict[str, ImageSource] = {
        "train": Selection(images, train_rows),
        "samples": sample_images(context.store, artifact.parents["samples"]),
        "heldout": Selection(images, heldout_rows),
        "calibration": Selection(images, heldout_rows[:middle]),
        "rest": Selection(images, heldout_rows[middle:]),
    }
    real, synthetic, heldout, *halves = (
        as_vectors(context, artifact, embedding, role, DistinctSet.of(part)) for role, part in sources.items()
    )

    progress = context.progress(artifact, 2 * len(synthetic), "queries")

    def search(queries: Vectors, database: Vectors, before: int | None = None) -> NeighborTable:
        def report(done: int) -> None:
            if before is not None:
                progress.update(before + done)

        return nearest_neighbors(
            queries,
            database,
            spec.k,
            memory_mb=context.runtime.neighbor_memory_mb,
            gpu=use_gpu(context),
            callback=report,
        )

    tables = {
        "samples_to_train": search(synthetic, real, 0),
        "samples_to_samples": search(synthetic, synthetic, len(synthetic)),
        "heldout_to_train": search(heldout, real),
        "heldout_nearest": search(heldout, heldout),
        "heldout_within": _join([search(half, half) for half in halves], [0, middle]),
    }
    arrays = {f"{name}/{field}": array for name, table in tables.items() for field, array in asdict(table).items()}
    arrays |= {"train_rows": train_rows, "heldout_rows": heldout_rows}
    attributes = {
        "address": artifact.address,
        "metric": spec.metric,
        "train_rows@meaning": "row of the canonical dataset of each training image, in the order of 'index'",
        "heldout_rows@meaning": "row of the canonical dataset of each held-out image",
        "heldout_nearest@meaning": "neighbours among the held-out images without the image itself",
        "heldout_within@meaning": "neighbours within the held-out image's own half (first: calibration)",
        "samples_to_samples@meaning": "neighbours in S' without the sample itself",
    }
    write_h5(folder / NEIGHBORS, arrays, attributes)


TABLES = ("samples_to_train", "samples_to_samples", "heldout_to_train", "heldout_within", "heldout_nearest")
"""The tables of a neighbours file."""


def _join(tables: list[NeighborTable], offsets: list[int]) -> NeighborTable:
    """Tables one below the other, their neighbours renumbered."""
    index = [np.where(t.index < 0, -1, t.index + offset) for t, offset in zip(tables, offsets, strict=True)]
    return NeighborTable(np.concatenate(index), np.concatenate([t.distance for t in tables]))


def read_table(path: Path, name: str) -> NeighborTable:
    """One of the tables of a neighbours file."""
    return NeighborTable(*read_h5(path, f"{name}/index", f"{name}/distance"))


def read_distances(context: Context, artifact: Artifact) -> Distances:
    """The nearest distances in a ``neighbors`` artifact."""
    path = context.store.file(artifact, NEIGHBORS)
    near = {name: read_table(path, name).nearest for name in TABLES}
    return Distances(
        artifact.params["size"],
        to_train=near["samples_to_train"],
        to_samples=near["samples_to_samples"],
        heldout_to_train=near["heldout_to_train"],
        heldout_within=near["heldout_within"],
        heldout_nearest=near["heldout_nearest"],
        heldout_rows=read_h5(path, "heldout_rows")[0],
    )


def thresholds(context: Context, artifact: Artifact, folder: Path) -> None:
    """Thresholds of one K, or pooled over a sweep, with their cost and sensitivity."""
    borrows = {"experiment": ""} if "lent" in artifact.parents else {}
    spec = TypeAdapter(ThresholdsSpec).validate_python({**artifact.params, **borrows})
    sweep = [read_distances(context, parent) for parent in artifact.parents["neighbors"]]
    if isinstance(spec, BorrowedThresholds):
        pairs = [_lent(context, artifact, distances.size) for distances in sweep]
    else:
        pairs = find_thresholds(sweep, spec)
    found = [as_json(distances, pair, spec) for distances, pair in zip(sweep, pairs, strict=True)]
    write_json(folder / THRESHOLDS, {"method": spec.method, "sizes": found})
    for name in ("delta_m", "delta_s"):
        for entry in found[:1] if len({str(f[name]) for f in found}) == 1 else found:
            t = entry[name]
            note = f" ({t['note']})" if t["note"] else ""
            say(f"thresholds {artifact.dataset} {artifact.label}: {name} = {t['value']:.4g} "
                f"[{t['low']:.4g}, {t['high']:.4g}] by {t['method']}{note}")  # fmt: skip


def _lent(context: Context, artifact: Artifact, size: int) -> Pair:
    """Thresholds that another experiment found: at the same K, or the same for all its K."""
    lenders = artifact.parents["lent"]
    entries = [e for a in lenders for e in read_json(context.store.file(a, THRESHOLDS))["sizes"]]
    deltas = {tuple(e[d]["value"] for d in ("delta_m", "delta_s")) for e in entries}
    chosen = [e for e in entries if e["size"] == size] or (entries if len(deltas) == 1 else [])
    if not chosen:
        known = ", ".join(str(e["size"]) for e in entries)
        raise ValueError(
            f"K = {size}: the experiment that lends its thresholds has one a K, and none here; it has K = {known}"
        )
    m, s = (
        replace(Threshold(**{**chosen[0][d], "modes": tuple(chosen[0][d]["modes"])}), note="of another experiment")
        for d in ("delta_m", "delta_s")
    )
    return Pair(m, s, chosen[0]["d0"])


def grid(context: Context, artifact: Artifact, folder: Path) -> None:
    """Training-set sizes around the fall of memorization, from a sparse sweep (appendix B.1)."""
    spec = GridSpec.model_validate(artifact.params["grid"])
    summaries = sorted(read_summaries(context, artifact.parents["classify"]), key=lambda s: s["size"])
    sizes, shares = [s["size"] for s in summaries], [s["fractions"]["memorized"]["value"] for s in summaries]
    found = (0, 0) if spec.known else find_transition(sizes, shares, spec.fallen)
    fall, plateau = spec.fall or found[0], spec.plateau or found[1]
    chosen = spec.around(fall, plateau)
    write_json(
        folder / GRID,
        {"fall": fall, "plateau": plateau, "sizes": chosen, "sparse": {"sizes": sizes, "memorized": shares}},
    )
    say(f"grid {artifact.dataset} {artifact.label}: memorization falls from K = {fall:,} to {plateau:,}; "
        f"{len(chosen)} sizes")  # fmt: skip


def class_numbers(table: pa.Table) -> np.ndarray:
    """Class of each sample of a table, int8: 0 memorized, 1 spurious, 2 generalized."""
    return np.array([CLASSES.index(c) for c in table["class"].to_pylist()], np.int8)


def read_summaries(context: Context, artifacts: Iterable[Artifact]) -> list[dict[str, Any]]:
    """What ``classify`` artifacts say about their K."""
    return [read_json(context.store.file(a, SUMMARY)) for a in artifacts]


def spurious_peak(summaries: Iterable[dict[str, Any]]) -> int:
    """K with the largest spurious share."""
    return int(max(summaries, key=lambda s: s["fractions"]["spurious"]["value"])["size"])


def read_thresholds(context: Context, artifact: Artifact, size: int) -> dict[str, Any]:
    """What a ``thresholds`` artifact says about one K."""
    content = read_json(context.store.file(artifact, THRESHOLDS))
    (entry,) = [e for e in content["sizes"] if e["size"] == size]
    return entry


def classify(context: Context, artifact: Artifact, folder: Path) -> None:
    """Class and attractor of every sample, fractions with intervals, attractors."""
    faiss.omp_set_num_threads(threads())
    size, source = artifact.params["size"], artifact.parent("neighbors")
    path = context.store.file(source, NEIGHBORS)
    to_train, to_samples = read_table(path, "samples_to_train"), read_table(path, "samples_to_samples")
    entry = read_thresholds(context, artifact.parent("thresholds"), size)
    confidence = artifact.parent("thresholds").params["confidence"]
    delta_m, delta_s = entry["delta_m"]["value"], entry["delta_s"]["value"]
    classes = classify_samples(to_train.nearest, to_samples.nearest, delta_m, delta_s)
    shares = fractions(classes, to_samples.index, to_samples.distance, delta_s, confidence)

    images = DistinctSet.of(sample_images(context.store, artifact.parents["samples"]))
    embedding = load_metric(context, artifact, artifact.params["metric"])
    vectors = as_vectors(context, artifact, embedding, "samples", images)
    pairs = radius_pairs(vectors, delta_s, memory_mb=context.runtime.neighbor_memory_mb, gpu=use_gpu(context))
    labels = components(len(images), pairs)
    found = describe(labels, classes, to_train.nearest, to_samples.nearest)
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
    with atomic_file(folder / TABLE) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")

    around = halo(labels, classes)
    summary = {
        "size": size,
        "n_samples": len(classes),
        "delta_m": delta_m,
        "delta_s": delta_s,
        "confidence": confidence,
        "fractions": {name: shares[name]._asdict() for name in CLASSES},
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
