"""What can be checked of a configuration before any job starts, once the size of each dataset is known."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping

from amdiff.config import (
    LEAST_HELDOUT,
    AnyExperiment,
    BorrowedThresholds,
    Config,
    ConfigError,
    DatasetSpec,
    EnergySpec,
    EstimatedThresholds,
    ExactDenoiser,
    ExperimentSpec,
    MlpDenoiser,
    PretrainedDenoiser,
    PromptsSpec,
    UnetDenoiser,
)
from amdiff.data.images import DataError
from amdiff.data.pipelines import pipeline_files, pipeline_misfit, read_components
from amdiff.data.pretrained import find_model, misfit, model_path

Extent = tuple[int, int, tuple[int, ...]]
"""Numbers of training and test images, and their shape (C, H, W); of points and theirs, (2,)."""


def check(config: Config, extents: Mapping[str, Extent]) -> None:
    """Training-set sizes, shapes, models and pipelines against the data. Raises ``ConfigError``.

    ``extents`` are those of every dataset that an experiment uses.
    """
    for name, experiment in config.experiments.items():
        count, test_count, shape = extents[experiment.dataset]
        sizes = experiment.first_sizes if isinstance(experiment, ExperimentSpec) else experiment.sizes
        largest = max(sizes)
        if largest > count:
            raise ConfigError(
                f"experiments.{name}.sizes: K = {largest}, but dataset {experiment.dataset!r} has {count} "
                f"training {'points' if experiment.kind == 'circle' else 'images'}; choose K up to {count}"
            )
        if isinstance(experiment, ExperimentSpec):
            if shape[0] not in (1, 3) and (perceptual := [m for m in experiment.metrics if m != "pixels"]):
                raise ConfigError(
                    f"experiments.{name}: the metric {perceptual[0]!r} needs images of 1 or 3 channels, dataset "
                    f"{experiment.dataset!r} has {shape[0]}; use 'pixels'"
                )
            _check_images(name, experiment, config.datasets[experiment.dataset], count, test_count, shape)
            if isinstance(lent := experiment.thresholds, BorrowedThresholds):
                lender = config.experiments[lent.experiment]
                theirs = extents[lender.dataset][2]
                if experiment.neighbors.metric == "pixels" and math.prod(theirs) != math.prod(shape):
                    raise ConfigError(
                        f"experiments.{name}.thresholds.experiment: {lent.experiment!r} measures distances between "
                        f"images of {_size(theirs)}, this experiment of {_size(shape)}; they do not compare"
                    )
            for other in experiment.datasets[1:]:
                if extents[other][0] < 2:
                    raise ConfigError(f"datasets.{other}: holds one sample; at least two are needed to compare them")
                if extents[other][2] != shape:
                    raise ConfigError(
                        f"experiments.{name}: images of {_size(extents[other][2])} in {other!r} cannot be compared "
                        f"with {_size(shape)} in {experiment.dataset!r}; use 'resize', and 'crop: square' before it"
                    )
    for name, prompts in config.prompts.items():
        _check_prompts(name, prompts)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[2]} and {shape[0]} channel{'s' if shape[0] > 1 else ''}"


def _check_images(
    name: str, experiment: ExperimentSpec, dataset: DatasetSpec, count: int, test_count: int, shape: tuple[int, ...]
) -> None:
    """Held-out images and the network's fit; so many training and test images of ``shape``. Raises ``ConfigError``."""
    total = count + test_count
    for size, needed, why in _heldout_needs(experiment, dataset):
        if total - size < needed:
            todo = "give more, or none" if experiment.trained_elsewhere and dataset.has_test else "choose a smaller K"
            raise ConfigError(
                f"experiments.{name}.sizes: K = {size} leaves {total - size} held-out images, but {why} needs "
                f"{needed}; {todo}"
            )
    if experiment.stands_in(dataset):
        known = [max(size, total - size) for size in experiment.first_sizes]
        for _, thresholds in experiment.sortings:
            if isinstance(thresholds, EstimatedThresholds):
                most = max(known) if thresholds.pooled else min(known)
                if most < LEAST_HELDOUT:
                    raise ConfigError(
                        f"experiments.{name}: no image is held out, so training images stand for such ones, of which "
                        f"thresholds of method {thresholds.method!r} need {LEAST_HELDOUT}, got {most}; give held-out "
                        "images, or more training images"
                    )
    if isinstance(experiment.denoiser, UnetDenoiser) and (problem := experiment.denoiser.misfit(shape)):
        raise ConfigError(f"experiments.{name}.denoiser: {problem}")
    if isinstance(experiment.denoiser, PretrainedDenoiser) and experiment.denoiser.hub is None:
        _check_models(name, experiment, experiment.denoiser, shape)
    if isinstance(energy := experiment.analyses.get("energy"), EnergySpec) and energy.references > count:
        raise ConfigError(
            f"experiments.{name}.energy.references: {energy.references} were asked for, but there are {count} "
            "training images"
        )


def _check_models(name: str, experiment: ExperimentSpec, denoiser: PretrainedDenoiser, shape: tuple[int, ...]) -> None:
    """Models of others fit, as far as their files say. Raises ``ConfigError``."""
    for size in experiment.first_sizes:
        path = model_path(denoiser, size)
        try:
            problem = misfit(find_model(path, denoiser.weights), shape, experiment.diffusion, denoiser.prediction)
        except DataError:
            continue  # gone, and what was read from it before is used: ``find_sources`` says so
        if problem:
            raise ConfigError(f"experiments.{name}.denoiser: {path}{'' if problem.startswith(':') else ' '}{problem}")


def _check_prompts(name: str, prompts: PromptsSpec) -> None:
    """A pipeline fits, as far as its files say, and its library is here. Raises ``ConfigError``."""
    if importlib.util.find_spec("transformers") is None:
        raise ConfigError(f"prompts.{name}: needs the package transformers; pip install 'amdiff[stable-diffusion]'")
    path = prompts.pipeline.path
    if path is None:
        return
    try:
        pipeline_files(path)
    except DataError:
        return  # gone, as for models
    try:
        problem = pipeline_misfit(read_components(path), prompts)
    except DataError as error:
        raise ConfigError(f"prompts.{name}.pipeline: {error}") from None
    if problem:
        raise ConfigError(f"prompts.{name}: {path} {problem}")


def _heldout_needs(experiment: ExperimentSpec, dataset: DatasetSpec) -> Iterator[tuple[int, int, str]]:
    """(K, number of held-out images that are needed there, what needs them)."""
    sizes = experiment.first_sizes
    for _, thresholds in experiment.sortings:
        if isinstance(thresholds, EstimatedThresholds) and not experiment.stands_in(dataset):
            size = min(sizes) if thresholds.pooled else max(sizes)
            yield size, LEAST_HELDOUT, f"thresholds of method {thresholds.method!r}"
    if isinstance(experiment.denoiser, ExactDenoiser) and experiment.denoiser.memories == "heldout":
        yield max(sizes), max(sizes), "'memories: heldout'"


def remarks(config: Config, extents: Mapping[str, Extent]) -> Iterator[str]:
    """What is allowed and rarely wise, for people."""
    for name, experiment in config.experiments.items():
        yield from _of_training(name, experiment)
        denoiser, dimensions = experiment.denoiser, math.prod(extents[experiment.dataset][2])
        if isinstance(denoiser, MlpDenoiser) and denoiser.width < dimensions:
            yield (
                f"experiments.{name}.denoiser: an MLP narrower than its images cannot predict their noise; "
                f"its width is {denoiser.width}, the images have {dimensions} values"
            )


REMAINING = 0.01
"""Weight of the untrained network in the average, from which it is said."""


def _of_training(name: str, experiment: AnyExperiment) -> Iterator[str]:
    """An average of the weights that is longer than the training still holds the network as it was at first."""
    training = experiment.training
    if not experiment.trained or training.ema_warmup:
        return
    shortest = min([training.iterations, *training.iterations_by_size.values()])
    if (remaining := training.ema_decay**shortest) > REMAINING:
        yield (
            f"experiments.{name}.training: {remaining:.0%} of the averaged weights are still those of the untrained "
            f"network after {shortest:,} steps at ema_decay {training.ema_decay:g}; set 'ema_warmup: true'"
        )
