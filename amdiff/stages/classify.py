"""The class of every sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa

from amdiff.artifacts import Artifact
from amdiff.files import write_json
from amdiff.neighbors.knn import NeighborTable
from amdiff.neighbors.radius import RadiusCounts
from amdiff.phases.attractors import halo
from amdiff.phases.classes import CLASSES, MEMORIZED, SPURIOUS, Fractions
from amdiff.phases.near_copies import NearCopies, near_copies
from amdiff.phases.plausibility import implausible_sentence, plausibility
from amdiff.phases.rarefaction import curve, parts_of
from amdiff.phases.set_shares import SetShares, radii_for, set_shares
from amdiff.phases.sorting import Phases, sort_at
from amdiff.phases.uncertainty import fold_fractions

from .console import say
from .context import Context, threads
from .embedding import Embedded, search_device
from .hdf5 import read_h5
from .parquet import write_parquet
from .stored_images import sample_images
from .stored_tables import read_table, read_thresholds, threshold_pair


def classify(context: Context, artifact: Artifact, folder: Path) -> None:
    """Find the class and the attractor of every sample, the attractors, and the shares of the classes with intervals.

    The file of samples has a row for each sample. The summary has the shares, the thresholds and the attractors. If the
    parameter ``rarefy`` is given, the main shares are those of a set of so many samples per training image.
    """
    faiss.omp_set_num_threads(threads())
    size = artifact.params["size"]
    path = context.store.file(artifact.parent("neighbors"))
    to_train, to_samples = read_table(path, "samples_to_train"), read_table(path, "samples_to_samples")
    pair = threshold_pair(read_thresholds(context, artifact.parent("thresholds"), size))
    confidence = artifact.parent("thresholds").params["confidence"]
    embedded = Embedded(context, artifact, artifact.params["metric"])
    samples = embedded("samples", sample_images(context.store, artifact.parents["samples"]))
    count = samples.images.size
    wanted = min(count, artifact.params["rarefy"] * size) if "rarefy" in artifact.params else count
    counts = RadiusCounts(samples.images, radii_for(pair, count, wanted), parts_of(count))
    phases = sort_at(
        samples,
        to_train,
        to_samples,
        pair.delta_m.value,
        pair.delta_s.value,
        confidence=confidence,
        memory_mb=context.runtime.neighbor_memory_mb,
        device=search_device(context),
        counts=counts,
    )
    embedded.keep()
    heldout = read_table(path, "heldout_to_train").nearest
    plausible = plausibility(to_train.nearest, heldout, confidence)
    near = near_copies(to_train.nearest, heldout, confidence)
    distances = (to_train.nearest, to_samples.nearest)
    copies = None if near is None else near.where(to_train.nearest)
    shares = set_shares(phases.fractions, *distances, counts, pair, wanted, copies, confidence)
    by_size = curve(phases.classes != MEMORIZED, counts.within(pair.delta_s.value), [wanted])
    (train_rows,) = read_h5(path, "train_rows")
    keys = np.concatenate([read_h5(context.store.file(a), "seed")[0] for a in artifact.parents["samples"]])
    columns = _columns(phases, to_train, to_samples, train_rows)
    write_parquet(
        folder / artifact.file("samples"),
        {"K": np.full(len(keys), size, np.int32), "index": np.arange(len(keys)), "seed": keys[:, 0], **columns},
    )
    summary = {
        "size": size,
        "confidence": confidence,
        "delta_m": pair.delta_m.value,
        "delta_s": pair.delta_s.value,
        **_shares(shares, near, artifact.params.get("rarefy")),
        "whole": _estimates(fold_fractions(phases.fractions, *distances, pair)),
        "by_set_size": {"sizes": list(by_size), "spurious": list(by_size.values())},
        "plausibility": None if plausible is None else plausible.as_json(),
        **_whole_set(phases),
        "attractors": _attractors(phases, to_train, train_rows),
    }
    write_json(folder / artifact.file("summary"), summary)
    text = ", ".join(f"{name} {shares.fractions[name].value:.3f}" for name in CLASSES)
    proper = int(phases.attractors.proper.sum())
    say(f"classify {artifact.subject} {artifact.label}: {text}; {proper} spurious attractors")
    if plausible is not None and plausible.implausible:
        say(f"note: {artifact.subject} {artifact.label}: {implausible_sentence(plausible.far)}")


def _columns(
    phases: Phases, to_train: NeighborTable, to_samples: NeighborTable, train_rows: np.ndarray
) -> dict[str, Any]:
    """Columns of the table of samples: class, attractor and neighbours. A missing neighbour is null."""
    labels = phases.component
    columns: dict[str, Any] = {
        "class": pa.DictionaryArray.from_arrays(pa.array(phases.classes), list(CLASSES)),
        "attractor": pa.array(labels, mask=labels >= len(phases.attractors.size)),
    }
    for kind, table, rows in (("train", to_train, train_rows), ("sample", to_samples, None)):
        for j in range(table.index.shape[1]):
            index, absent = table.index[:, j], table.index[:, j] < 0
            columns[f"{kind}_neighbor_{j + 1}"] = pa.array(index if rows is None else rows[index], mask=absent)
            columns[f"{kind}_distance_{j + 1}"] = pa.array(table.distance[:, j], mask=absent)
    return columns


def _shares(shares: SetShares, near: NearCopies | None, per_image: int | None) -> dict[str, Any]:
    """The shares of the classes and of near copies, as plain data."""
    split = None
    if near is not None and shares.near is not None and shares.new is not None:
        split = {**near.as_json(), "spurious": {"near": shares.near._asdict(), "new": shares.new._asdict()}}
    return {
        "set_size": shares.size,
        "per_image": per_image,
        "fractions": _estimates(shares.fractions),
        "given_thresholds": _estimates(shares.given),
        "left_out": [{"size": size, "spurious": share} for size, share in shares.left_out.items()],
        "near_copies": split,
    }


def _estimates(shares: Fractions) -> dict[str, Any]:
    return {name: shares[name]._asdict() for name in CLASSES}


def _whole_set(phases: Phases) -> dict[str, Any]:
    """The number of samples, and how the spurious ones divide into those around memories and those off memories."""
    around = halo(phases.component, phases.classes)
    return {
        "n_samples": len(phases.classes),
        "spurious_split": {
            "halo": float(around.mean()),
            "proper": float(((phases.classes == SPURIOUS) & ~around).mean()),
        },
    }


def _attractors(phases: Phases, to_train: NeighborTable, train_rows: np.ndarray) -> dict[str, Any]:
    """The numbers of attractors and a table of all of them, as plain data."""
    found = phases.attractors
    return {
        "memories": int((~found.proper).sum()),
        "spurious": int(found.proper.sum()),
        "memorized_images": len(np.unique(to_train.index[phases.classes == MEMORIZED, 0])),
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
    }
