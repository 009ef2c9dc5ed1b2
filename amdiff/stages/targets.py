"""Targets of an analysis: samples of each class and training points, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

from amdiff.artifacts import Artifact
from amdiff.config import AnalysisSpec
from amdiff.diffusion.randomness import ANALYSIS
from amdiff.landscape.targets import choose_samples
from amdiff.phases.classes import class_numbers

from .context import Context
from .stored_images import dataset_images, sample_images
from .stored_tables import read_samples, read_summaries
from .subsets import training_rows

TRAIN_STREAM = ANALYSIS + 2**40
"""Added to the row of a training point for the number of its noise stream, so that no sample has the same stream."""


@dataclass(frozen=True)
class Targets:
    """Samples of one class, or training points, at which an analysis is made."""

    index: Int64[np.ndarray, " n"]
    """Number of each sample in the synthetic set, or row of each training point in the canonical dataset."""
    cluster: Int64[np.ndarray, " n"]
    """Attractor of each target. A sample without an attractor and each training point is a cluster by itself."""
    stream: Int64[np.ndarray, " n"]
    """Number of the noise stream of each target."""
    images: UInt8[np.ndarray, "n c h w"]
    """The images themselves."""


def choose_targets(context: Context, artifact: Artifact, spec: AnalysisSpec) -> dict[str, Targets]:
    """Choose training points, and samples of each class that is large enough. Returns them by kind.

    ``spec`` sets the numbers of targets and the least share of a class.
    """
    store, classified = context.store, artifact.parent("classify")
    columns = ["class", "attractor", "train_distance_1", "sample_distance_1"]
    table = read_samples(context, classified, *columns)
    # NaN for a missing value; pyarrow's to_numpy would import pandas, which takes longer than to list all samples
    attractor, to_train, to_samples = (np.array(table[c].to_pylist(), np.float64) for c in columns[1:])
    rows = training_rows(context, artifact)[: spec.train_count]
    found = {
        "train": Targets(rows, rows, rows + TRAIN_STREAM, dataset_images(store, artifact.parent("dataset")).rows(rows))
    }
    samples = sample_images(store, artifact.parents["samples"])
    classes = class_numbers(table["class"].to_pylist())
    for name, chosen in choose_samples(classes, to_train, to_samples, spec.count, spec.min_share).items():
        own = attractor[chosen]
        cluster = np.where(np.isnan(own), -1 - chosen, np.nan_to_num(own)).astype(np.int64)
        found[name] = Targets(chosen, cluster, chosen + ANALYSIS, samples.rows(chosen))
    return found


def delta_m(context: Context, artifact: Artifact) -> float:
    """The threshold delta_m of memorized samples, for the samples that an analysis visits."""
    (summary,) = read_summaries(context, artifact.parents["classify"])
    return float(summary["delta_m"])
