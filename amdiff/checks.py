"""Checks a configuration against the sizes and shapes of its datasets, before any job starts."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping

from amdiff.config import (
    LEAST_HELDOUT,
    METRICS,
    Config,
    ConfigError,
    DatasetSpec,
    ExactDenoiser,
    ExperimentSpec,
    Extent,
    PretrainedDenoiser,
    PromptsSpec,
    Sweep,
)
from amdiff.data.pipelines import pipeline_files, pipeline_misfit, read_components
from amdiff.data.pretrained import find_model, misfit, model_path
from amdiff.errors import DataError


def check(config: Config, extents: Mapping[str, Extent]) -> None:
    """Check that training-set sizes, image shapes, models and pipelines fit together.

    ``extents`` tells the numbers of images and the shape of every dataset that an experiment uses. Raises
    ``ConfigError`` if something does not fit.
    """
    for name, experiment in config.experiments.items():
        count, test_count, shape = extents[experiment.dataset]
        largest = max(experiment.first_sizes)
        if largest > count:
            raise ConfigError(
                f"experiments.{name}.sizes: K = {largest}, but dataset {experiment.dataset!r} has {count} "
                f"training {experiment.holds}; choose K up to {count}"
            )
        if isinstance(experiment, ExperimentSpec):
            for metric in experiment.metrics:
                if not METRICS[metric].takes(shape[0]):
                    known = " or ".join(map(str, METRICS[metric].channels or ()))
                    raise ConfigError(
                        f"experiments.{name}: the metric {metric!r} needs images of {known} channels, but dataset "
                        f"{experiment.dataset!r} has {shape[0]}; use 'pixels'"
                    )
            _check_images(name, experiment, config.datasets[experiment.dataset], count, test_count, shape)
            if experiment.lender is not None:
                theirs = extents[config.experiments[experiment.lender].dataset][2]
                if not experiment.neighbors.by.network and math.prod(theirs) != math.prod(shape):
                    raise ConfigError(
                        f"experiments.{name}.thresholds.experiment: {experiment.lender!r} measures distances between "
                        f"images of {_size(theirs)}, this experiment between images of {_size(shape)}; such "
                        "distances are not comparable; borrow from an experiment on images of the same size"
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
    """Check that there are enough held-out images, and that denoiser and analyses fit the images.

    The dataset has ``count`` training images and ``test_count`` test images of ``shape`` (C, H, W). Raises
    ``ConfigError``.
    """
    total = count + test_count
    for size, needed, why in _heldout_needs(experiment, dataset):
        if total - size < needed:
            todo = (
                "give more of them, or none"
                if experiment.denoiser.elsewhere and dataset.has_test
                else "choose a smaller K"
            )
            raise ConfigError(
                f"experiments.{name}.sizes: K = {size} leaves {total - size} held-out images, but {why} needs "
                f"{needed}; {todo}"
            )
    if experiment.stands_in(dataset):
        known = [max(size, total - size) for size in experiment.first_sizes]
        for thresholds in experiment.ways:
            most = max(known) if thresholds.shared else min(known)
            if thresholds.estimated and most < LEAST_HELDOUT:
                raise ConfigError(
                    f"experiments.{name}: no image is held out, so training images stand in for held-out ones; "
                    f"thresholds of method {thresholds.method!r} need {LEAST_HELDOUT}, got {most}; give held-out "
                    "images, or more training images"
                )
    if experiment.twins and 2 * max(experiment.twins) > count:
        raise ConfigError(
            f"experiments.{name}.twins: K = {max(experiment.twins)} needs {2 * max(experiment.twins)} training images, "
            f"since a twin learns from other images; there are {count}"
        )
    if problem := experiment.denoiser.misfit(shape):
        raise ConfigError(f"experiments.{name}.denoiser: {problem}")
    if isinstance(experiment.denoiser, PretrainedDenoiser) and experiment.denoiser.hub is None:
        _check_models(name, experiment, experiment.denoiser, shape)
    for key, analysis in experiment.analyses.items():
        if problem := analysis.shortage(count):
            raise ConfigError(f"experiments.{name}.{key}.{problem}")


def _check_models(name: str, experiment: ExperimentSpec, denoiser: PretrainedDenoiser, shape: tuple[int, ...]) -> None:
    """Check that pretrained models fit, as far as their files tell. Raises ``ConfigError``."""
    for size in experiment.first_sizes:
        path = model_path(denoiser, size)
        try:
            problem = misfit(find_model(path, denoiser.weights), shape, experiment.diffusion, denoiser.prediction)
        except DataError:
            continue  # it is gone: ``find_sources`` has noted that
        if problem:
            raise ConfigError(f"experiments.{name}.denoiser: {path}{'' if problem.startswith(':') else ' '}{problem}")


def _check_prompts(name: str, prompts: PromptsSpec) -> None:
    """Check that transformers is installed, and that a pipeline fits, as its files tell. Raises ``ConfigError``."""
    if importlib.util.find_spec("transformers") is None:
        raise ConfigError(f"prompts.{name}: needs the package transformers; pip install 'amdiff[stable-diffusion]'")
    path = prompts.pipeline.path
    if path is None:
        return
    try:
        pipeline_files(path)
    except DataError:
        return  # it is gone, as for models
    try:
        problem = pipeline_misfit(read_components(path), prompts)
    except DataError as error:
        raise ConfigError(f"prompts.{name}.pipeline: {error}") from None
    if problem:
        raise ConfigError(f"prompts.{name}: {path} {problem}")


def _heldout_needs(experiment: ExperimentSpec, dataset: DatasetSpec) -> Iterator[tuple[int, int, str]]:
    """Each need for held-out images: (K, number of images that are needed, what needs them)."""
    sizes = experiment.first_sizes
    for thresholds in experiment.ways:
        if thresholds.estimated and not experiment.stands_in(dataset):
            size = min(sizes) if thresholds.shared else max(sizes)
            yield size, LEAST_HELDOUT, f"the threshold method {thresholds.method!r}"
    if isinstance(experiment.denoiser, ExactDenoiser) and experiment.denoiser.memories == "heldout":
        yield max(sizes), max(sizes), "'memories: heldout'"


def remarks(config: Config, extents: Mapping[str, Extent]) -> Iterator[str]:
    """Sentences for the user about settings that are allowed but rarely wise."""
    for name, experiment in config.experiments.items():
        yield from _of_training(name, experiment)
        if remark := experiment.denoiser.remark(extents[experiment.dataset][2]):
            yield f"experiments.{name}.denoiser: {remark}"


REMAINING = 0.01
"""Weight of the untrained network in the averaged weights above which a remark is made."""


def _of_training(name: str, experiment: Sweep) -> Iterator[str]:
    """A remark if the averaged weights still contain much of the untrained network at the end of the training."""
    training = experiment.training
    if not experiment.trained or training.ema_warmup:
        return
    shortest = min([training.iterations, *training.iterations_by_size.values()])
    if (remaining := training.ema_decay**shortest) > REMAINING:
        yield (
            f"experiments.{name}.training: {remaining:.0%} of the averaged weights are still those of the untrained "
            f"network after {shortest:,} steps at ema_decay {training.ema_decay:g}; set 'ema_warmup: true'"
        )
