"""A project folder: a configuration made ready to run.

Before any job starts, sources of one's own are looked at (their digest is part of the dataset's
address, so changed files mean a new artifact), and training-set sizes and image shapes are
checked. What a run uses is then frozen in ``scratch/config/<digest>.json``, so that editing
``config.yaml`` in its midst disturbs nothing.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py

from amdiff.artifacts import FILES, canonical_json, short_digest
from amdiff.config import (
    BorrowedThresholds,
    CircleDataset,
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
    parse_config,
    read_config,
)
from amdiff.config.measures import LEAST_HELDOUT
from amdiff.data.datasets import peek
from amdiff.data.images import DataError
from amdiff.data.pipelines import pipeline_files, pipeline_misfit, read_components
from amdiff.data.pretrained import find_model, misfit, model_path
from amdiff.files import ArtifactError, read_json, write_bytes
from amdiff.plan import Plan, build_plan, dataset_artifact
from amdiff.sources import find_sources
from amdiff.store import SCRATCH, STORES, Store

(GRID,), (IMAGES,) = FILES["grid"], FILES["dataset"]

SNAKEMAKE = ".snakemake"
"""Folder of Snakemake's own notes; it runs nothing where it cannot write them."""


def open_plan(configfile: Path, root: Path = Path()) -> Plan:
    """The plan of a configuration file, checked against the data. Raises ``ConfigError``."""
    return prepare(read_config(configfile), root)


def prepare(config: Config, root: Path = Path()) -> Plan:
    """Look at the sources, check what can be checked, and plan. Raises ``ConfigError``."""
    notes: list[str] = []
    used = dict.fromkeys(name for e in config.experiments.values() for name in e.datasets)
    config = config.model_copy(update={"sources": find_sources(config, root, notes)})
    extents = {name: _extent(config, name, root) for name in used}
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
    return replace(
        settle(config, root), notes=(*notes, *_notes(config, {name: extent[2] for name, extent in extents.items()}))
    )


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
    if _stand_in(experiment, dataset):
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
            problem = misfit(find_model(path), shape, experiment.diffusion)
        except DataError:
            continue  # gone, and what was read from it before is used: ``find_sources`` says so
        if problem:
            raise ConfigError(f"experiments.{name}.denoiser: {path} {problem}")


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


def _stand_in(experiment: ExperimentSpec, dataset: DatasetSpec) -> bool:
    """Whether training images may stand for held-out ones."""
    return experiment.trained_elsewhere and not dataset.has_test


def _heldout_needs(experiment: ExperimentSpec, dataset: DatasetSpec) -> Iterator[tuple[int, int, str]]:
    """(K, number of held-out images that are needed there, what needs them)."""
    sizes = experiment.first_sizes
    for _, thresholds in experiment.sortings:
        if isinstance(thresholds, EstimatedThresholds) and not _stand_in(experiment, dataset):
            size = min(sizes) if thresholds.pooled else max(sizes)
            yield size, LEAST_HELDOUT, f"thresholds of method {thresholds.method!r}"
    if isinstance(experiment.denoiser, ExactDenoiser) and experiment.denoiser.memories == "heldout":
        yield max(sizes), max(sizes), "'memories: heldout'"


def _notes(config: Config, shapes: dict[str, tuple[int, ...]]) -> Iterator[str]:
    for name, experiment in config.experiments.items():
        denoiser, dimensions = experiment.denoiser, math.prod(shapes[experiment.dataset])
        if isinstance(denoiser, MlpDenoiser) and denoiser.width < dimensions:
            yield (
                f"experiments.{name}.denoiser: an MLP narrower than its images cannot predict their noise; "
                f"its width is {denoiser.width}, the images have {dimensions} values"
            )


def settle(config: Config, root: Path = Path()) -> Plan:
    """The plan of a prepared configuration, with the sizes of grids whose sparse sweep is done.

    Raises ``ConfigError``.
    """
    plan, store = build_plan(config), Store(root)
    waiting = {e.name: e.grid for e in plan.experiments if e.grid is not None and store.complete(e.grid)}
    found = {}
    for name, grid in waiting.items():
        try:
            found[name] = tuple(read_json(store.file(grid, GRID))["sizes"])
        except ArtifactError as error:
            raise ConfigError(f"experiments.{name}.sizes: {error}") from None
    return build_plan(config, found) if found else plan


def unwritable(root: Path = Path()) -> list[str]:
    """Folders that a run may have to write to and cannot."""

    def there(path: Path) -> Path:
        return path if path.exists() else there(path.parent)

    places = dict.fromkeys((SNAKEMAKE, *STORES, "results", "logs", "scratch", os.environ.get(SCRATCH) or "scratch"))
    return [place.as_posix() for place in map(Path, places) if not os.access(there(root.resolve() / place), os.W_OK)]


def freeze(config: Config, root: Path = Path()) -> Path:
    """Write a prepared configuration to its place in scratch, and return the path relative to the root."""
    plain = json.loads(config.model_dump_json())
    content, path = canonical_json(plain).encode(), Path("scratch/config") / f"{short_digest(plain)}.json"
    if not (root / path).is_file() or (root / path).read_bytes() != content:
        write_bytes(root / path, content)
    return path


def pack(config: Config) -> str:
    """A prepared configuration in letters, digits and few signs, for an environment variable."""
    return base64.b64encode(zlib.compress(config.model_dump_json().encode())).decode()


def unpack(text: str) -> Config:
    """The configuration that ``pack`` gave."""
    return parse_config(json.loads(zlib.decompress(base64.b64decode(text))))


def thaw(path: Path, root: Path = Path()) -> Plan:
    """The plan of a frozen configuration, or of a configuration file. Raises ``ConfigError``."""
    if path.suffix == ".json" and path.parent.parts[-2:] == ("scratch", "config") and path.exists():
        return settle(parse_config(read_json(path)), root)
    return open_plan(path, root)


def image_shape(plan: Plan, dataset: str, root: Path = Path()) -> tuple[int, ...]:
    """Shape (C, H, W) of a dataset's images, (2,) of its points."""
    return _extent(plan.config, dataset, root)[2]


def _extent(config: Config, name: str, root: Path) -> tuple[int, int, tuple[int, ...]]:
    """Training images or points, test images, their shape: of the canonical file where it is there, else the source."""
    path = root / dataset_artifact(config, name).folder / IMAGES
    spec = config.datasets[name]
    try:
        with h5py.File(path, "r") as file:
            if isinstance(spec, CircleDataset):
                return len(file["points"]), 0, tuple(file["points"].shape[1:])
            test = file["split"][:] == 1
            return int((~test).sum()), int(test.sum()), tuple(file["images"].shape[1:])
    except (OSError, KeyError):
        pass  # not made yet; or damaged, which `verify` and the stages that read it say
    try:
        return peek(spec)
    except (DataError, OSError) as error:
        raise ConfigError(f"datasets.{name}: {error}") from None
