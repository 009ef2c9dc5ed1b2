"""Stages from a dataset to samples, and what a page shows of a training."""

from __future__ import annotations

from .records import DAY, Figure, Params, Section, Stage
from .samplers import SAMPLERS

TRAINING_PASS = 3
"""Forward passes that an image in a training step is worth: the backward pass costs about two."""


def _training(params: Params, samples: int, dimension: int) -> float:
    return TRAINING_PASS * float(params["training"]["iterations"]) * params["training"]["batch_size"]


def _sampling(params: Params, samples: int, dimension: int) -> float:
    sampling = params["sampling"]
    evaluations = SAMPLERS[sampling["sampler"]].evaluations if "sampler" in sampling else 1
    return float(params["stop"] - params["start"]) * sampling["steps"] * evaluations


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
                "Small training sets are learnt by heart, so their loss falls below what is possible on "
                "fresh data.",
            ),
        ),
    ),
)  # fmt: skip
