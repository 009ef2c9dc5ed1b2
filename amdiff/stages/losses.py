"""Losses of a model on its training images and on held-out images, and the distance of its score to closed forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import LossesSpec
from amdiff.diffusion.randomness import ANALYSIS

from .analysis import as_images, load_model
from .blocks import Arrays, in_blocks
from .context import Context
from .hdf5 import write_h5
from .stored_images import dataset_images
from .subsets import heldout_rows, pool_rows, training_rows

STREAM = ANALYSIS + 2**39
"""Added to the number of an image for the number of its noise stream, so that no sample has the same stream."""

MOST_DIMENSIONS = 4096
"""A Gaussian is not fitted to images with more values than this."""
MOST_VALUES = 2**28
"""A closed form has at most this many values, which are 2 GiB in float64. That of a larger S is left out."""


def losses(context: Context, artifact: Artifact, folder: Path) -> None:
    """Compute the loss at each image and noise level, of the model and of the closed forms, and their distances.

    The training image and the held-out image with the same number have the same noise, for every model.
    """
    from amdiff.diffusion.exact import FiniteSet, Gaussian
    from amdiff.diffusion.losses import level_losses, level_weights, spread_times
    from amdiff.diffusion.randomness import SampleNoise

    spec = LossesSpec.model_validate(artifact.params["losses"])
    source = artifact.parent("dataset")
    stored = dataset_images(context.store, source)
    train = training_rows(context, artifact)
    held = heldout_rows(context, artifact, spec.count)
    shape = stored.rows(train[:1]).shape[1:]
    d = int(np.prod(shape))
    pool = pool_rows(context, artifact, held, min(spec.pool, max(2, MOST_VALUES // d)))
    denoiser, schedule, device = load_model(context, artifact, shape)
    closed: dict[str, Any] = {}
    if len(train) * d <= MOST_VALUES:
        closed["set"] = FiniteSet(as_images(stored.rows(train), device), schedule)
    if len(pool):
        known = as_images(stored.rows(pool), device)
        closed["pool"] = FiniteSet(known, schedule)
        if d <= MOST_DIMENSIONS and len(pool) > 1:
            closed["gaussian"] = Gaussian.fitted(known, schedule)
    times = spread_times(schedule, spec.levels)
    rows = {"train": train[: spec.count], **({"heldout": held} if len(held) else {})}

    def compute(group: str, start: int, stop: int) -> Arrays:
        images = as_images(stored.rows(rows[group][start:stop]), device)
        noise = SampleNoise(spec.seed, range(STREAM + start, STREAM + stop))
        found = level_losses(denoiser, images, times.tolist(), schedule, noise, references=closed, draws=spec.draws)
        return {
            "loss": found.loss,
            **{f"loss_{name}": values for name, values in found.references.items()},
            **{f"distance_{name}": values for name, values in found.distances.items()},
        }

    block = max(1, context.runtime.analysis_batch // spec.levels)
    found = in_blocks(context, artifact, {name: len(r) for name, r in rows.items()}, block, compute)
    signal, sigma = schedule.levels(times)
    arrays = {"times": times, "noise_to_signal": sigma / signal, "weights": level_weights(schedule, times)}
    arrays |= {f"{group}/{name}": values for group, made in found.items() for name, values in made.items()}
    arrays |= {f"{group}/row": chosen for group, chosen in rows.items()}
    described = {
        "address": artifact.address,
        "pool": len(pool),
        "weights@meaning": "with these, a sum over noise levels is the mean over a uniform t, as in training",
    }
    write_h5(folder / artifact.file(), arrays, described, compress=True)
