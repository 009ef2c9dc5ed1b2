"""Finds the digests of the files that a user brings: images, weights and models.

The digest of a file is part of the address of every artifact made from it, so changed files mean new artifacts. If
files are gone, the digest that was recorded when they were read is used.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from amdiff.artifacts import SPEC
from amdiff.config import (
    METRICS,
    Config,
    ConfigError,
    ExperimentSpec,
    OrderFile,
    OwnDataset,
    PipelineSpec,
    PretrainedDenoiser,
)
from amdiff.data.digests import digest_files, source_digest
from amdiff.data.orders import read_order
from amdiff.data.pipelines import pipeline_digest, pipeline_path
from amdiff.data.pretrained import find_model, model_digest, model_path
from amdiff.errors import ArtifactError, DataError
from amdiff.files import read_json, write_json
from amdiff.neighbors.weights import backbone_digest
from amdiff.plan import image_source, model_source, order_source, pipeline_source


def find_sources(config: Config, root: Path, notes: list[str]) -> dict[str, str]:
    """The digest of each source that the configuration uses, by its key in ``config.sources``.

    ``root`` is the project's root. A sentence about each source that is gone is appended to ``notes``. Raises
    ``ConfigError`` if a source is gone and no digest, or several, were recorded for it.
    """
    cache = root / "scratch" / "sources.json"
    try:
        known: dict[str, str] = dict(json.loads(cache.read_text()))
    except (OSError, ValueError, TypeError):
        known = {}  # without the cache, all files are read again
    before, found = len(known), dict(config.sources)
    for key, where, read, recorded in _wanted(config, root, known):
        if key not in found:
            found[key] = _digest(key, where, read, recorded, notes)
    if len(known) != before:
        with contextlib.suppress(OSError):  # a project may be read-only
            write_json(cache, known)
    return found


def _digest(
    key: str, where: str, read: Callable[[], str], recorded: Callable[[], dict[str, bool]], notes: list[str]
) -> str:
    """Digest of a source: that of its files or, if they are gone, the one recorded by artifacts made from its path.

    ``read`` digests the files, and ``recorded`` finds the recorded digests; see ``_wanted``.
    """
    try:
        return read()
    except (DataError, OSError) as error:
        before = recorded()
        same = sorted(digest for digest, here in before.items() if here)
        if len(same) == 1:
            notes.append(f"{where}: {error}; what was read from it before is used")
            return same[0]
        if not before:
            raise ConfigError(f"{where}: {error}") from None
        choices = " or ".join(f"'sources: {{{key}: {digest}}}'" for digest in same or sorted(before))
        what = "several versions were read from there before" if same else "these were read from other paths before"
        raise ConfigError(f"{where}: {error}; {what}: choose one by {choices}") from None


Wanted = tuple[str, str, Callable[[], str], Callable[[], dict[str, bool]]]
"""A source, as ``_wanted`` describes it."""


def _wanted(config: Config, root: Path, known: dict[str, str]) -> Iterator[Wanted]:
    """Describe each source of a configuration by four values.

    They are its key, its place in the configuration, a function that digests its files, and a function that finds the
    digests recorded in artifacts. The latter maps each digest to whether it was read from the path that the
    configuration names.
    """
    for name in dict.fromkeys(name for e in config.experiments.values() for name in e.datasets):
        dataset = config.datasets[name]
        if isinstance(dataset, OwnDataset):
            yield (
                name,
                f"datasets.{name}",
                partial(source_digest, dataset, known),
                partial(_recorded_images, name, dataset, root),
            )
    for metric in sorted({m for e in config.experiments.values() for m in e.metrics}):
        if (backbone := METRICS[metric].backbone) is None:
            continue
        if (path := config.backbones.get(backbone)) is not None:
            yield (
                f"backbone:{backbone}",
                f"backbones.{backbone}",
                partial(backbone_digest, backbone, path),
                partial(_recorded_backbones, metric, path, root),
            )
    for name, experiment in config.experiments.items():
        order = experiment.subset_order if isinstance(experiment, ExperimentSpec) else None
        if isinstance(order, OrderFile) and order.file is not None:
            yield (
                order_source(name),
                f"experiments.{name}.subset_order",
                partial(_order_digest, order.file, known),
                dict,
            )
        denoiser = experiment.denoiser
        if isinstance(denoiser, PretrainedDenoiser) and denoiser.hub is None:
            for size in experiment.first_sizes:
                yield (
                    model_source(name, denoiser, size),
                    f"experiments.{name}.denoiser",
                    partial(_model_digest, denoiser, size, known),
                    partial(_recorded_models, experiment.dataset, denoiser, size, root),
                )

    for name, prompts in config.prompts.items():
        if prompts.pipeline.hub is None:
            yield (
                pipeline_source(name),
                f"prompts.{name}.pipeline",
                partial(_pipeline_digest, prompts.pipeline, known),
                partial(_recorded_pipelines, name, prompts.pipeline, root),
            )
        for number, prompt in enumerate(prompts.prompts):
            if prompt.image is not None:
                yield (
                    image_source(name, number),
                    f"prompts.{name}.prompts.{number}.image",
                    partial(digest_files, [("image", prompt.image)], known),
                    dict,
                )


def _order_digest(path: Path, known: dict[str, str]) -> str:
    read_order(path)
    return digest_files([("order", path)], known)


def _pipeline_digest(spec: PipelineSpec, known: dict[str, str]) -> str:
    return pipeline_digest(pipeline_path(spec), known)


def _recorded_pipelines(name: str, spec: PipelineSpec, root: Path) -> dict[str, bool]:
    """Digests of the pipelines that were read before under the same name."""
    return _recorded(root / "artifacts" / name / "pipeline", "*", "source", str(spec.path))


def _recorded_images(name: str, spec: OwnDataset, root: Path) -> dict[str, bool]:
    """Digests of the sources of canonical datasets with the same name and specification."""
    return _recorded(root / "data/canonical" / name, "*", "source", str(spec.path), spec.identity())


def _recorded_backbones(metric: str, path: Path, root: Path) -> dict[str, bool]:
    """Digests of the weights from which networks of a metric were made before."""
    return _recorded(root / "artifacts", "*/metric/*", "backbone", str(path), {"metric": metric})


def _model_digest(denoiser: PretrainedDenoiser, size: int, known: dict[str, str]) -> str:
    return model_digest(find_model(model_path(denoiser, size), denoiser.weights), known)


def _recorded_models(dataset: str, denoiser: PretrainedDenoiser, size: int, root: Path) -> dict[str, bool]:
    """Digests of the models that were converted before for one dataset."""
    return _recorded(root / "artifacts" / dataset / "convert", "*", "source", str(model_path(denoiser, size)))


def _recorded(
    root: Path, pattern: str, key: str, path: str, identity: Mapping[str, object] | None = None
) -> dict[str, bool]:
    """Digests that artifacts recorded under a parameter, each with whether it was read from ``path``.

    The artifacts are those in folders below ``root`` that match ``pattern``, and ``key`` is the name of the parameter.
    Damaged artifacts are passed over. If ``identity`` is given, so are artifacts with other parameters.
    """
    found: dict[str, bool] = {}
    for spec in root.glob(f"{pattern}/{SPEC}"):
        try:
            record = read_json(spec)
            params, origin = dict(record["params"]), dict(record["provenance"]).get("path")
        except (ArtifactError, KeyError, TypeError, ValueError):
            continue
        digest = params.pop(key, None)
        if isinstance(digest, str) and (identity is None or params == identity):
            found[digest] = found.get(digest, False) or origin == path
    return found
