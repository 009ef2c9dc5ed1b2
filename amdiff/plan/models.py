"""Plans the model of one K and its synthetic set, in shards."""

from __future__ import annotations

from amdiff.artifacts import Artifact
from amdiff.config import Config, ExperimentSpec, GivenSamples, Sweep

from .common import convert_artifact, dataset_artifact, label, sample_params, train_artifact
from .pages import ModelPlan, roles


def model_of(
    name: str,
    spec: Sweep,
    config: Config,
    dataset: Artifact,
    size: int,
    *,
    twin: bool = False,
    step: int | None = None,
) -> ModelPlan:
    """Plan the model and the synthetic set of one K.

    Parameters
    ----------
    name
        Name of the experiment.
    spec
        The experiment.
    config
        The whole configuration, with the digests of its sources.
    dataset
        The dataset of the experiment.
    size
        Training-set size K.
    twin
        Whether it is the model of the images that follow the training set in the permutation. Default False.
    step
        Step of a snapshot. Default None: the whole training.

    Raises
    ------
    ConfigError
        If the digest of a source is not known.
    """
    if isinstance(spec.denoiser, GivenSamples):
        return _given(spec, spec.denoiser, config, size)
    train = train_artifact(spec, dataset, size, twin, step)
    convert = convert_artifact(name, spec, config, dataset, size) if isinstance(spec, ExperimentSpec) else None
    origin = roles(train=train, convert=convert)
    params = {**sample_params(spec, size, twin), "sampling": spec.sampling.resolved_for(spec.diffusion.levels)}
    shards = tuple(
        Artifact(
            "sample",
            spec.dataset,
            label(size, twin),
            {**params, "start": start, "stop": stop},
            origin or {"dataset": (dataset,)},
            derived={"dataset": (dataset,)} if origin else {},  # the dataset tells the shape of the images
        )
        for start, stop in spec.sampling.shards(size)
    )
    return ModelPlan(size, spec.sampling.samples_for(size), train, shards, convert)


def _given(spec: Sweep, given: GivenSamples, config: Config, size: int) -> ModelPlan:
    """The plan for a synthetic set that the user gives, without a model."""
    source = dataset_artifact(config, given.samples)
    samples = Artifact("sample", spec.dataset, given.samples, {"denoiser": given.resolved()}, {"given": (source,)})
    return ModelPlan(size, 0, None, (samples,))
