"""Stages from a dataset to samples, and the section of a page about training."""

from __future__ import annotations

from .records import DAY, Figure, Params, Section, Stage, Table
from .samplers import SAMPLERS

TRAINING_PASS = 3
"""Cost of an image in a training step, in forward passes. The backward pass costs about two of them."""


def _training(params: Params, samples: int, dimension: int) -> float:
    return TRAINING_PASS * float(params["training"]["iterations"]) * params["training"]["batch_size"]


def evaluations(sampling: Params) -> int:
    """Forward passes that the drawing of one sample takes. ``sampling`` are its settings."""
    each = SAMPLERS[sampling["sampler"]].evaluations if "sampler" in sampling else 1
    return sampling["steps"] * each


def _sampling(params: Params, samples: int, dimension: int) -> float:
    return float(params["stop"] - params["start"]) * evaluations(params["sampling"])


def _losses(params: Params, samples: int, dimension: int) -> float:
    spec = params["losses"]
    return 2.0 * spec["count"] * spec["levels"] * spec["draws"]


STAGES = (
    Stage("dataset", 1, {"images": "images.h5"}, local=True),
    Stage("metric", 1, {"weights": "weights.safetensors"}, local=True),
    Stage(
        "train", 1, {"weights": "weights.safetensors", "log": "metrics.jsonl"},
        minutes=DAY, gpu="network", work="training", passes=_training,
    ),
    Stage("convert", 2, {"weights": "weights.safetensors", "network": "network.json"}, local=True),
    Stage("sample", 1, {"samples": "samples.h5"}, minutes=DAY, gpu="network", work="sampling", passes=_sampling),
    Stage(
        "losses", 1, {"losses": "losses.h5"},
        memory_mb=8000, minutes=240, gpu="network", work="analyses", passes=_losses, double=True,
    ),
)  # fmt: skip

SECTIONS = (
    Section(
        "losses",
        (
            Figure(
                "held_out_loss", "Models", "Loss on training images and on held-out images",
                caption="Noise-prediction loss on training images (dashed) and on held-out images (solid), with the "
                "same noise. Left: mean over noise levels, against K. Right: against the noise-to-signal ratio.\n"
                "A model that knows its training images by heart has a lower loss on them than on others. Dotted is "
                "the closed form of the pool, which at high noise is nearly the lowest loss that is possible.",
            ),
            Figure(
                "score_distances", "Models", "Distance of the score to closed forms",
                caption="Mean squared difference between the noise that a model predicts and that of three closed "
                "forms: of the training set S, of a pool of images, and of a Gaussian. It is taken around training "
                "images (dashed) and held-out images (solid).\n"
                "A model that copies follows the closed form of S. One that generalizes follows that of the pool where "
                "the noise is high, and neither where it is low. The pool may contain S.",
            ),
        ),
        (
            Table("losses.csv"),
        ),
    ),
    Section(
        "training",
        (
            Figure(
                "training", "Models", "Training", narrow=True,
                caption="Noise-prediction loss of each model during training.\n"
                "A small training set is learnt by heart, so its loss falls below the lowest loss that is "
                "possible on new data.",
            ),
        ),
    ),
)  # fmt: skip
