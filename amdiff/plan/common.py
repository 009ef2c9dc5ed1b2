"""The artifacts that all kinds of experiments have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.catalogue import STAGES
from amdiff.config import (
    DENOISERS,
    METRICS,
    Config,
    ConfigError,
    ExperimentSpec,
    OrderFile,
    PretrainedDenoiser,
    Sweep,
    official_digest,
)

from .pages import ModelPlan, roles


def dataset_artifact(config: Config, name: str) -> Artifact:
    """The artifact of a dataset in canonical form. Raises ``ConfigError`` if the digest of its source is not known."""
    spec = config.datasets[name]
    params = spec.identity()
    if spec.has_own_source:
        if name not in config.sources:
            raise ConfigError(f"datasets.{name}: the digest of its source is not known; give it under 'sources'")
        params["source"] = config.sources[name]
    return Artifact("dataset", name, "", params)


def metric_artifact(config: Config, dataset: str, metric: str) -> Artifact | None:
    """The artifact of the network of a metric; None if the metric has no network."""
    if not METRICS[metric].network:
        return None
    params = {"metric": metric}
    if (backbone := METRICS[metric].backbone) is not None:
        params["backbone"] = config.sources.get(f"backbone:{backbone}", official_digest(backbone))
    return Artifact("metric", dataset, metric, params)


def model_params(spec: Sweep, size: int, twin: bool = False) -> dict[str, Any]:
    """Parameters of one model: its training set, forward process and denoiser.

    ``twin`` asks for the model of the images that follow the training set in the permutation. Default False.
    """
    return {
        "size": size,
        **spec.subset,
        **({"subset_start": size} if twin else {}),
        "diffusion": spec.diffusion.resolved(),
        "denoiser": spec.denoiser.resolved(),
    }


def sample_params(spec: Sweep, size: int, twin: bool = False) -> dict[str, Any]:
    """The parameters of ``model_params`` that decide the samples.

    A model of the whole dataset is the same for every K, so parameters that choose the training set are left out then.
    """
    whole = spec.denoiser.of_whole_dataset
    return {key: value for key, value in model_params(spec, size, twin).items() if not (whole and key in _SUBSET)}


_SUBSET = ("size", "subset_seed", "subset_order", "subset_start")
"""Parameters that choose the training set."""


def train_artifact(
    spec: Sweep, dataset: Artifact, size: int, twin: bool = False, step: int | None = None
) -> Artifact | None:
    """The artifact of the training of one model; None if the model is not trained here.

    ``step`` asks for a snapshot at this step. Default None: the whole training. Each snapshot goes on from the one
    before it. That one is no part of its address, since a training from the start has the same result.
    """
    if not spec.trained:
        return None
    params = {**model_params(spec, size, twin), "training": spec.training.resolved_for(size)}
    steps = (spec.training.iterations_for(size),) if twin else spec.training.steps_for(size)
    made: Artifact | None = None
    for each in steps if step is None else steps[: steps.index(step) + 1]:
        made = Artifact(
            "train",
            spec.dataset,
            label(size, twin),
            {**params, "training": {**params["training"], "iterations": each}},
            {"dataset": (dataset,)},
            derived=roles(shorter=made),
        )
    return made


def model_source(name: str, denoiser: PretrainedDenoiser, size: int) -> str:
    """Key of a pretrained model's digest in ``config.sources``."""
    return f"model:{name}:{size}" if denoiser.one_a_size else f"model:{name}"


def order_source(name: str) -> str:
    """Key of the digest of an experiment's order of training images in ``config.sources``."""
    return f"order:{name}"


def with_order(name: str, spec: ExperimentSpec, config: Config) -> ExperimentSpec:
    """The experiment with the digest of its order of training images, if a file gives one.

    Raises ``ConfigError`` if the digest of the file is not known.
    """
    order = spec.subset_order
    if not isinstance(order, OrderFile) or order.digest is not None:
        return spec
    if order_source(name) not in config.sources:
        raise ConfigError(
            f"experiments.{name}.subset_order: the digest of its file is not known; give {order_source(name)!r} under "
            "'sources'"
        )
    found = order.model_copy(update={"digest": config.sources[order_source(name)]})
    return spec.model_copy(update={"subset_order": found})


def model_label(name: str, denoiser: PretrainedDenoiser, size: int) -> str:
    """Readable prefix of the folder of a pretrained model."""
    return label(size) if denoiser.one_a_size else name


def convert_artifact(name: str, spec: ExperimentSpec, config: Config, dataset: Artifact, size: int) -> Artifact | None:
    """The artifact of a pretrained model, converted to amdiff's format.

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

    Returns
    -------
    Artifact or None
        None if the experiment uses no pretrained model.

    Raises
    ------
    ConfigError
        If the digest of the model's files is not known.
    """
    denoiser = spec.denoiser
    if not isinstance(denoiser, PretrainedDenoiser):
        return None
    params = {**denoiser.resolved(), "diffusion": spec.diffusion.resolved()}
    if denoiser.file is not None:
        params["file"] = denoiser.file.format(K=size)
    if denoiser.hub is None:
        key = model_source(name, denoiser, size)
        if key not in config.sources:
            raise ConfigError(
                f"experiments.{name}.denoiser: the digest of its file is not known; give {key!r} under 'sources'"
            )
        params["source"] = config.sources[key]
    return Artifact("convert", spec.dataset, model_label(name, denoiser, size), params, {"dataset": (dataset,)})


def analysis_artifact(
    stage: str,
    spec: Sweep,
    dataset: Artifact,
    model: ModelPlan,
    settings: dict[str, Any],
    parents: Mapping[str, tuple[Artifact, ...]],
) -> Artifact:
    """The artifact of an analysis of one model and its samples.

    Parameters
    ----------
    stage
        Name of the stage that makes it.
    spec
        The experiment.
    dataset
        The dataset of the experiment.
    model
        The model and its samples.
    settings
        Parameters of the analysis.
    parents
        Further artifacts that the analysis reads, by role.
    """
    return Artifact(
        stage,
        spec.dataset,
        label(model.size),
        {**model_params(spec, model.size), **settings},
        {
            "dataset": (dataset,),
            **model.origin,
            "samples": model.shards,
            **parents,
        },
    )


def wants_gpu(artifact: Artifact, device: str) -> bool:
    """Whether an artifact is made on a GPU if the machine has one. ``device`` is that of the configuration."""
    serves = STAGES[artifact.stage].gpu
    if device not in ("auto", "cuda") or serves == "no":
        return False
    return serves == "yes" or DENOISERS[artifact.params["denoiser"]["kind"]].runs


def label(size: int, twin: bool = False) -> str:
    """Readable prefix of the folders of the model with training-set size K = ``size``, or of its twin."""
    return f"K{size:05d}{'-twin' if twin else ''}"
