"""Estimates what an artifact costs: the forward passes of its network on one image and, roughly, the seconds.

Seconds follow from the arithmetic of the network and the speed of a usual device. They are right within a factor of
three. This suffices to tell a run of days from one of minutes before anything is timed, and to weigh the parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from amdiff.artifacts import Artifact
from amdiff.catalogue import STAGES
from amdiff.catalogue.metrics import FIRST, METRICS, Metric
from amdiff.catalogue.models import TRAINING_PASS, evaluations
from amdiff.config import DENOISERS, RuntimeSpec, denoiser_of

from .devices import Device

CORE_FLOPS, GPU_FLOPS = 3e10, 1e13
"""Floating-point operations a second that a network reaches, about, on a processor core and on a GPU."""

UNKNOWN_SAMPLES = 1000
"""Assumed number of samples that the user gave, until they are read and counted."""

START = 2.0
"""Seconds that a job takes at least, to start Python and its libraries."""

STEP = {False: 1e-3, True: 4e-3}
"""Seconds that a batch takes at least, on a processor core (False) and on a GPU (True)."""


def passes(artifact: Artifact, dimension: int) -> float:
    """Most forward passes that an artifact takes; 0 for stages without a network and for closed-form denoisers.

    ``dimension`` is the number of values of an image.
    """
    counted = STAGES[artifact.stage].passes
    if counted is None or not DENOISERS[artifact.params["denoiser"]["kind"]].runs:
        return 0.0
    return counted(artifact.params, _samples(artifact), dimension)


def precision_of(artifact: Artifact) -> str:
    """The precision in which the networks of an artifact compute."""
    params = artifact.params
    spec = params.get("training") if STAGES[artifact.stage].work == "training" else None
    return (spec or params.get("analysis") or params.get("sampling") or {}).get("precision", "float32")


def seconds(artifact: Artifact, shape: tuple[int, ...], gpu: bool, device: Device | None = None) -> float:
    """Seconds that an artifact takes, about, on one processor core or on a GPU.

    ``shape`` is that of its images. A ``device`` was timed, which is closer than the speed of a usual GPU.
    """
    stage, rate = STAGES[artifact.stage], GPU_FLOPS if gpu else CORE_FLOPS
    step = STEP[gpu]
    if device is not None and gpu:
        rate, step = device.rate(stage.work == "training", precision_of(artifact)), device.step
    if stage.searches:
        return START + _comparisons(artifact) * 2 * _metric(artifact).length(shape) / rate
    count = passes(artifact, math.prod(shape))
    if not count:
        return START + stage.seconds
    params = artifact.params
    flops = count * denoiser_of(params).flops(shape) * (2 if stage.double else 1)
    batches = 0.0
    if stage.work == "training":
        batches = float(params["training"]["iterations"])
    if stage.work == "sampling":
        together = RuntimeSpec().sampling_batch
        batches = math.ceil((params["stop"] - params["start"]) / together) * float(evaluations(params["sampling"]))
    return START + max(flops / rate, batches * step)


def _samples(artifact: Artifact) -> int:
    shards = artifact.parents.get("samples", ())
    return sum(shard.params.get("stop", UNKNOWN_SAMPLES) - shard.params.get("start", 0) for shard in shards)


def _tables(artifact: Artifact) -> tuple[Artifact, ...]:
    """The tables of nearest neighbours that an artifact reads, or the artifact itself if it reads none."""
    return artifact.parents.get("neighbors", (artifact,))


def _comparisons(artifact: Artifact) -> float:
    """Number of pairs of images whose distance is computed."""
    tables = _tables(artifact)
    samples = max(_samples(table) for table in tables) or UNKNOWN_SAMPLES
    return float(samples) * (samples + tables[0].params.get("size", 0))


def _metric(artifact: Artifact) -> Metric:
    return METRICS[_tables(artifact)[0].params.get("metric", FIRST)]


def by_stage(artifacts: Iterable[Artifact], amount: Callable[[Artifact], float]) -> dict[str, float]:
    """The sum of an amount over many artifacts, for each stage in which a network runs."""
    found: dict[str, float] = {}
    for artifact in artifacts:
        if STAGES[artifact.stage].passes is not None:
            found[artifact.stage] = found.get(artifact.stage, 0.0) + amount(artifact)
    return {stage: found[stage] for stage in STAGES if stage in found}


def by_work(stages: Mapping[str, float]) -> dict[str, float]:
    """Amounts of stages as totals of 'training', 'sampling' and 'analyses'."""
    found = {"training": 0.0, "sampling": 0.0, "analyses": 0.0}
    for stage, amount in stages.items():
        found[STAGES[stage].work] += amount
    return found


def hours(count: float, images_per_second: float) -> float:
    """Hours that ``count`` forward passes take on a device that trains on ``images_per_second`` images a second."""
    return count / (TRAINING_PASS * images_per_second) / 3600
