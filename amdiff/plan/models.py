"""The model of one K and its synthetic set, in shards."""

from __future__ import annotations

import itertools

from amdiff.artifacts import Artifact
from amdiff.config import Config, ExactDenoiser, ExperimentSpec, GivenSamples, SamplingSpec

from .experiments import ModelPlan, convert_artifact, dataset_artifact, label, model_params, roles, train_artifact


def shard_ranges(count: int, size: int, spec: SamplingSpec) -> list[tuple[int, int]]:
    """Index ranges [start, stop) that partition [0, count).

    Boundaries lie at multiples of ``max(shard_per_image K, minimum)`` and, within these, at
    multiples of ``shard_largest``: they do not depend on ``count``, so the shards of |S'| = 4K are
    among those of |S'| = 8K. Where the total is given, at multiples of ``shard_largest`` alone.
    """
    block = spec.shard_largest if spec.total else max(spec.shard_per_image * size, spec.minimum)
    edges = sorted({a + b for a in range(0, count, block) for b in range(0, block, spec.shard_largest)} | {count})
    edges = [e for e in edges if e <= count]
    return list(itertools.pairwise(edges))


def model_of(name: str, spec: ExperimentSpec, config: Config, dataset: Artifact, size: int) -> ModelPlan:
    """Model and synthetic set of one K."""
    if isinstance(spec.denoiser, GivenSamples):
        return _given(spec, config, size)
    params, train = model_params(spec, size), train_artifact(spec, dataset, size)
    convert = convert_artifact(name, spec, config, dataset, size)
    origin = roles(train=train, convert=convert)
    if isinstance(spec.denoiser, ExactDenoiser) and spec.denoiser.memories == "gaussian":
        del params["size"], params["subset_seed"]  # fitted to the whole dataset, whatever K
    sampling = spec.sampling.identity()
    sampling["steps"] = spec.sampling.steps or spec.diffusion.steps
    for key in ("per_image", "minimum", "total", "shard_per_image", "shard_largest"):
        sampling.pop(key, None)
    count = spec.sampling.count(size)
    shards = tuple(
        Artifact(
            "sample",
            spec.dataset,
            label(size),
            {**params, "sampling": sampling, "start": start, "stop": stop},
            origin or {"dataset": (dataset,)},
            derived={"dataset": (dataset,)} if origin else {},  # tells the shape of the images
        )
        for start, stop in shard_ranges(count, size, spec.sampling)
    )
    return ModelPlan(size, count, train, shards, convert)


def _given(spec: ExperimentSpec, config: Config, size: int) -> ModelPlan:
    """A synthetic set of one's own: there is no model."""
    assert isinstance(spec.denoiser, GivenSamples)
    source = dataset_artifact(config, spec.denoiser.samples)
    samples = Artifact(
        "sample", spec.dataset, spec.denoiser.samples, {"denoiser": {"kind": "given"}}, {"given": (source,)}
    )
    return ModelPlan(size, 0, None, (samples,))
