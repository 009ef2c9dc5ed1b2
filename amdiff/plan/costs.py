"""What an experiment costs, in forward passes of its network on one image.

A training step counts three for each image of its batch: the backward pass costs about two. For analyses the counts are
upper bounds: searches of basins stop early, and classes may have fewer samples than are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.config import ANALYSES

CLASSES = 3
"""Classes of samples at which an analysis looks."""

TRAINING_PASS = 3
"""Forward passes that an image in a training step is worth."""


def passes(artifact: Artifact, dimension: int) -> float:
    """Forward passes that an artifact takes at most; 0 for stages that run no network, and for closed forms.

    ``dimension`` is the number of values of an image.
    """
    params = artifact.params
    if artifact.stage == "train":
        return TRAINING_PASS * float(params["training"]["iterations"]) * params["training"]["batch_size"]
    if artifact.stage not in ("sample", *ANALYSES) or params["denoiser"]["kind"] in ("exact", "given"):
        return 0.0
    if artifact.stage == "sample":
        return float(params["stop"] - params["start"]) * params["sampling"]["steps"]
    analysis = params["analysis"]
    samples = sum(shard.params["stop"] - shard.params["start"] for shard in artifact.parents["samples"])
    targets = min(CLASSES * analysis["count"], samples) + min(analysis["train_count"], params["size"])
    return targets * _passes_of_a_target(artifact.stage, analysis, params["diffusion"]["steps"], dimension)


def _passes_of_a_target(stage: str, analysis: dict[str, Any], levels: int, dimension: int) -> float:
    if stage == "basin":
        times = range(analysis["first"], levels, analysis["stride"])
        return float(analysis["copies"] * sum(max(1, min(analysis["steps"], t)) for t in times))
    if stage == "curvature":
        rows = dimension * analysis.get("rows_per_dimension", 1)
        return float(rows * len(analysis["times"]) * (2 if analysis["method"] == "central" else 1))
    return float(analysis["references"] * analysis["points"])


def total_passes(artifacts: Iterable[Artifact], dimension: int) -> dict[str, float]:
    """Forward passes of many artifacts, of training, sampling and analyses."""
    found = {"training": 0.0, "sampling": 0.0, "analyses": 0.0}
    kinds = {"train": "training", "sample": "sampling", **dict.fromkeys(ANALYSES, "analyses")}
    for artifact in artifacts:
        if artifact.stage in kinds:
            found[kinds[artifact.stage]] += passes(artifact, dimension)
    return found


def hours(count: float, images_per_second: float) -> float:
    """Hours that ``count`` forward passes take where training takes so many images a second."""
    return count / (TRAINING_PASS * images_per_second) / 3600
