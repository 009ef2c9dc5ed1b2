"""What artifacts cost: in forward passes of their network on one image, and, roughly, in seconds.

A training step counts three for each image of its batch: the backward pass costs about two. For analyses the counts are
upper bounds: searches of basins stop early, and classes may have fewer samples than are asked for.

Seconds follow from the network's arithmetic and a usual device, so that a run of days is told from one of minutes
before anything is timed, and so that the parts of a run can be weighed. They are right within a factor of three.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.config import ANALYSES, RuntimeSpec, UnetDenoiser

from .experiments import SEARCH_STAGES
from .flops import forward_flops

CLASSES = 3
"""Classes of samples at which an analysis looks."""

TRAINING_PASS = 3
"""Forward passes that an image in a training step is worth."""

WITH_NETWORK = (*ANALYSES, "likelihood")
"""Analyses that run the network."""

KINDS = {"train": "training", "sample": "sampling", **dict.fromkeys(WITH_NETWORK, "analyses")}
"""What stages that run the network are called in a plan."""

FLOW_EVALUATIONS = 400
"""Evaluations of the probability flow from one end to the other, about, at the default tolerance."""

CORE_FLOPS, GPU_FLOPS = 3e10, 1e13
"""Arithmetic a second that a network reaches on a processor core and on a GPU, about."""

FEATURES = 8
"""Numbers that a perceptual metric makes of a pixel, about."""

UNKNOWN_SAMPLES = 1000
"""Samples of one's own are counted when they are read; until then as many."""

SECONDS = {"report": 6.0, "comparison": 4.0, "prompts": 6.0, "generate": 60.0, "spectrum": 600.0}
"""Seconds of work of stages that are not counted in more detail."""

START = 2.0
"""Seconds that a job takes at least: Python and its libraries start."""

STEP = {False: 1e-3, True: 4e-3}
"""Seconds that a batch takes at least, on a processor core and on a GPU."""


def passes(artifact: Artifact, dimension: int) -> float:
    """Forward passes that an artifact takes at most; 0 for stages that run no network, and for closed forms.

    ``dimension`` is the number of values of an image.
    """
    params = artifact.params
    if artifact.stage == "train":
        return TRAINING_PASS * float(params["training"]["iterations"]) * params["training"]["batch_size"]
    if artifact.stage not in ("sample", *WITH_NETWORK) or params["denoiser"]["kind"] in ("exact", "given"):
        return 0.0
    if artifact.stage == "sample":
        return float(params["stop"] - params["start"]) * params["sampling"]["steps"]
    if artifact.stage == "likelihood":
        traces = dimension if params["likelihood"]["divergence"] == "exact" else params["likelihood"]["probes"]
        return float(params["likelihood"]["points"] ** 2 * FLOW_EVALUATIONS * (1 + traces))
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


def seconds(artifact: Artifact, shape: tuple[int, ...], gpu: bool) -> float:
    """Seconds that an artifact takes about, on one processor core or on a GPU; ``shape`` is that of its images."""
    params, rate = artifact.params, GPU_FLOPS if gpu else CORE_FLOPS
    if artifact.stage in SECONDS:
        return START + SECONDS[artifact.stage]
    dimension = math.prod(shape)
    if artifact.stage in SEARCH_STAGES:
        each = 2.0 * dimension if _by_pixels(artifact) else 2.0 * FEATURES * math.prod(shape[1:])
        return START + _comparisons(artifact) * each / rate
    count = passes(artifact, dimension)
    if not count:
        return START
    flops = forward_flops(params["denoiser"], shape) or _ddpm_flops(shape)
    doubled = 2 if artifact.stage == "likelihood" else 1  # in float64
    batches = 0.0
    if artifact.stage == "train":
        batches = float(params["training"]["iterations"])
    if artifact.stage == "sample":
        together = RuntimeSpec().sampling_batch
        batches = math.ceil((params["stop"] - params["start"]) / together) * float(params["sampling"]["steps"])
    return START + doubled * count * flops / rate + batches * STEP[gpu]


def _ddpm_flops(shape: tuple[int, ...]) -> float:
    """Of a network that others trained, as if it were DDPM's own."""
    side = 2 ** max(3, math.ceil(math.log2(max(shape[1:])))) if len(shape) == 3 else 8
    return forward_flops(UnetDenoiser(kind="unet").model_dump(), (shape[0], side, side)) or 0.0


def _samples(artifact: Artifact) -> int:
    shards = artifact.parents.get("samples", ())
    return sum(shard.params.get("stop", UNKNOWN_SAMPLES) - shard.params.get("start", 0) for shard in shards)


def _tables(artifact: Artifact) -> tuple[Artifact, ...]:
    """The tables of neighbours that a stage is, or reads."""
    return artifact.parents.get("neighbors", (artifact,))


def _comparisons(artifact: Artifact) -> float:
    """Pairs of images whose distance is taken."""
    tables = _tables(artifact)
    samples = max(_samples(table) for table in tables) or UNKNOWN_SAMPLES
    return float(samples) * (samples + tables[0].params.get("size", 0))


def _by_pixels(artifact: Artifact) -> bool:
    return _tables(artifact)[0].params.get("metric", "pixels") == "pixels"


def total_passes(artifacts: Iterable[Artifact], dimension: int) -> dict[str, float]:
    """Forward passes of many artifacts, of training, sampling and analyses."""
    found = {"training": 0.0, "sampling": 0.0, "analyses": 0.0}
    for artifact in artifacts:
        if artifact.stage in KINDS:
            found[KINDS[artifact.stage]] += passes(artifact, dimension)
    return found


def hours(count: float, images_per_second: float) -> float:
    """Hours that ``count`` forward passes take where training takes so many images a second."""
    return count / (TRAINING_PASS * images_per_second) / 3600
