"""Compares the samples of a model with those of its twin, which learned from a disjoint training set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import faiss
import numpy as np

from amdiff.artifacts import Artifact
from amdiff.files import write_json
from amdiff.neighbors.radius import CrossCounts, RadiusCounts, cross_counts, cross_pairs, distinct_pairs
from amdiff.neighbors.search import pair_squares
from amdiff.neighbors.sets import Selection
from amdiff.neighbors.vectors import Vectors
from amdiff.phases.classes import MEMORIZED
from amdiff.phases.rarefaction import parts_of
from amdiff.phases.twins import Joint, compare_twins, joint_sizes

from .console import say
from .context import Context, threads
from .embedding import Embedded, search_device
from .stored_images import dataset_images, sample_images
from .stored_tables import read_classes, read_summaries
from .subsets import training_rows


def twins(context: Context, artifact: Artifact, folder: Path) -> None:
    """Find how many samples are near to a sample of the twin, and how far apart images from the same noise are."""
    faiss.omp_set_num_threads(threads())
    classified = artifact.parent("classify")
    (summary,) = read_summaries(context, [classified])
    delta_s = summary["delta_s"]
    embedded = Embedded(context, artifact, artifact.params["metric"])
    own = embedded("samples", sample_images(context.store, artifact.parents["samples"]))
    twin = embedded("twin", sample_images(context.store, artifact.parents["twin"]))
    memory, device = context.runtime.neighbor_memory_mb, search_device(context)
    n = own.images.size
    parts = parts_of(n)
    counts = RadiusCounts(own.images, (delta_s,))
    apart = read_classes(context, classified) != MEMORIZED
    taught = embedded("twin-train", _taught(context, artifact))
    alone = np.zeros(taught.images.size, np.int64)
    twin_apart = cross_counts(twin, taught, summary["delta_m"], alone, memory_mb=memory, device=device)[:, 0] == 0

    def pairs_within() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Near pairs of the model's own samples, in both orders, which are counted on the way."""
        itself = np.arange(own.count)
        yield itself, itself
        for a, b, distance in distinct_pairs(own, delta_s, memory_mb=memory, device=device):
            counts.add(a, b, distance)
            yield a, b
            yield b, a

    across = CrossCounts(own.images, twin.images, parts)

    def pairs_across() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Near pairs of a sample of the model and one of the twin, which are counted on the way."""
        for a, b in cross_pairs(own, twin, delta_s, memory_mb=memory, device=device):
            across.add(a, b)
            yield a, b

    # samples with the same number have the same noise, so one half has even and the other one odd numbers
    even = np.arange(n) % 2 == 0
    first, second = (_members(own, apart & half) for half in (even, ~even))
    joint = {
        "own": Joint.of(joint_sizes(first, second, pairs_within())),
        "chance": Joint.of(joint_sizes(first, _members(twin, twin_apart & ~even), pairs_across())),
    }
    found = compare_twins(
        apart,
        counts.within(delta_s),
        across.within_parts(),
        parts,
        _pair_distances(own, twin, 0),
        _pair_distances(own, twin, 1),
        delta_s,
        summary["set_size"],
        summary["confidence"],
    )
    embedded.keep()
    spurious = summary["fractions"]["spurious"]
    write_json(
        folder / artifact.file(),
        {
            "size": summary["size"],
            "spurious": spurious,
            **found.as_json(),
            "halves": {name: asdict(groups) for name, groups in joint.items()},
        },
    )
    say(f"twins {artifact.subject} {artifact.label}: spurious {spurious['value']:.3f}, by coincidence "
        f"{found.coincidence.value:.3f}; same images from the same noise {found.agreement.value:.3f}")  # fmt: skip


def _taught(context: Context, artifact: Artifact) -> Selection:
    """The training images of the twin."""
    sample = artifact.parents["twin"][0]
    model = sample.parents.get("train", (sample,))[0]
    return Selection(dataset_images(context.store, model.parent("dataset")), training_rows(context, model))


def _members(vectors: Vectors, counted: np.ndarray) -> np.ndarray:
    """Number of the samples that count among those that are byte-equal to each distinct image, (count,)."""
    return np.bincount(vectors.images.group[counted], minlength=vectors.count)


def _pair_distances(own: Vectors, twin: Vectors, shift: int) -> np.ndarray:
    """Distance of each sample to the twin's sample with the same number, or ``shift`` further on; (n,)."""
    n = own.images.size
    left, right = own.images.group, twin.images.group[(np.arange(n) + shift) % n]
    distances = np.empty(n)
    step = 1024
    for start in range(0, n, step):
        i, j = left[start : start + step], right[start : start + step]
        each = np.arange(len(i))
        distances[start : start + step] = own.embedding.distance(pair_squares(own.at(i), twin.at(j), each, each, step))
    return distances
