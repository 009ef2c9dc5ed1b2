"""The model of one K and its synthetic set, in shards."""

from __future__ import annotations

from amdiff.artifacts import Artifact
from amdiff.config import Config, ExperimentSpec, GivenSamples, Sweep

from .experiments import ModelPlan, convert_artifact, dataset_artifact, label, roles, sample_params, train_artifact


def model_of(name: str, spec: Sweep, config: Config, dataset: Artifact, size: int) -> ModelPlan:
    """Model and synthetic set of one K of the experiment ``name``."""
    if isinstance(spec.denoiser, GivenSamples):
        return _given(spec, spec.denoiser, config, size)
    train = train_artifact(spec, dataset, size)
    convert = convert_artifact(name, spec, config, dataset, size) if isinstance(spec, ExperimentSpec) else None
    origin = roles(train=train, convert=convert)
    params = {**sample_params(spec, size), "sampling": spec.sampling.resolved_for(spec.diffusion.levels)}
    shards = tuple(
        Artifact(
            "sample",
            spec.dataset,
            label(size),
            {**params, "start": start, "stop": stop},
            origin or {"dataset": (dataset,)},
            derived={"dataset": (dataset,)} if origin else {},  # tells the shape of the images
        )
        for start, stop in spec.sampling.shards(size)
    )
    return ModelPlan(size, spec.sampling.samples_for(size), train, shards, convert)


def _given(spec: Sweep, given: GivenSamples, config: Config, size: int) -> ModelPlan:
    """A synthetic set of one's own: there is no model."""
    source = dataset_artifact(config, given.samples)
    samples = Artifact("sample", spec.dataset, given.samples, {"denoiser": given.resolved()}, {"given": (source,)})
    return ModelPlan(size, 0, None, (samples,))
