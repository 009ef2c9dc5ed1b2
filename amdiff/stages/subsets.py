"""Rows of the canonical dataset that hold training images and held-out images of an artifact."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec, OrderFile
from amdiff.data.digests import digest_files
from amdiff.data.orders import read_order
from amdiff.data.subsets import Order, heldout_subset, permutation, training_subset
from amdiff.errors import AmdiffError, DataError
from amdiff.plan import order_source

from .context import Context
from .stored_images import dataset_counts


def training_rows(context: Context, artifact: Artifact, size: int | None = None) -> np.ndarray:
    """Rows of the K training images, in the order of the permutation; or of the first ``size`` of them."""
    params = artifact.params
    count, _ = dataset_counts(context.store, artifact.parent("dataset"))
    wanted, start = params["size"] if size is None else size, params.get("subset_start", 0)
    return training_subset(count, start + wanted, params["subset_seed"], _order(context, artifact))[start:]


def heldout_rows(context: Context, artifact: Artifact, limit: int) -> np.ndarray:
    """Rows of at most ``limit`` images that are not among the K training images."""
    params = artifact.params
    count, test = dataset_counts(context.store, artifact.parent("dataset"))
    return heldout_subset(count, test, params["size"], params["subset_seed"], limit, _order(context, artifact))


def pool_rows(context: Context, artifact: Artifact, held: np.ndarray, limit: int) -> np.ndarray:
    """Rows of the first ``limit`` training images of the dataset in the permutation, without those in ``held``."""
    params = artifact.params
    count, _ = dataset_counts(context.store, artifact.parent("dataset"))
    rows = permutation(count, params["subset_seed"], _order(context, artifact))
    return rows[~np.isin(rows, held)][:limit]


def _order(context: Context, artifact: Artifact) -> Order:
    """The order of the training images: the name of a permutation, or the rows in the user's file."""
    order = artifact.params.get("subset_order", "numpy")
    if order == "numpy":
        return order
    source = artifact.parent("dataset")
    with h5py.File(context.store.file(source), "r") as file:
        duplicates = int(file.attrs["duplicates"])
    if duplicates and source.params.get("deduplicate", True):
        raise AmdiffError(
            f"subset_order: {duplicates:,} byte-equal images of {source.subject} were left out, so its rows have other "
            "numbers than in the order of others; set 'deduplicate: false' for the dataset"
        )
    if order == "torch":
        return order
    path = _file(context, order)
    if digest_files([("order", path)], {}) != order:
        raise DataError(f"{path} has changed since this run started; run snakemake again")
    return read_order(path)


def _file(context: Context, digest: str) -> Path:
    """The file with this digest that an experiment names as its order of training images."""
    for name, experiment in context.config.experiments.items():
        order = experiment.subset_order if isinstance(experiment, ExperimentSpec) else None
        known = context.config.sources.get(order_source(name))
        if isinstance(order, OrderFile) and order.file is not None and known == digest:
            return order.file
    raise DataError(f"no experiment names the file of the order of training images with the digest {digest}")
