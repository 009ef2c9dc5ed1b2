"""Stages from a dataset to samples, and the section of a page about training."""

from __future__ import annotations

from .records import DAY, Figure, Params, Section, Stage
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


STAGES = (
    Stage("dataset", 1, {"images": "images.h5"}, local=True),
    Stage("metric", 1, {"weights": "weights.safetensors"}, local=True),
    Stage(
        "train", 1, {"weights": "weights.safetensors", "log": "metrics.jsonl"},
        minutes=DAY, gpu="network", work="training", passes=_training,
    ),
    Stage("convert", 2, {"weights": "weights.safetensors", "network": "network.json"}, local=True),
    Stage("sample", 1, {"samples": "samples.h5"}, minutes=DAY, gpu="network", work="sampling", passes=_sampling),
)  # fmt: skip

SECTIONS = (
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
