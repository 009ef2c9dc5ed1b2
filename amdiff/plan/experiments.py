"""What an experiment's plan consists of, whatever its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.catalogue import SECTIONS, STAGES
from amdiff.config import (
    DENOISERS,
    METRICS,
    Config,
    ConfigError,
    ExperimentSpec,
    PretrainedDenoiser,
    Sweep,
    official_digest,
)


@dataclass(frozen=True)
class ModelPlan:
    """One training-set size."""

    size: int
    samples: int
    """Size of the synthetic set."""
    train: Artifact | None
    shards: tuple[Artifact, ...]
    convert: Artifact | None = None
    """In place of a training: a model of others."""

    @property
    def iterations(self) -> int:
        """Optimizer steps; 0 for a closed-form denoiser."""
        return self.train.params["training"]["iterations"] if self.train else 0

    @property
    def weights(self) -> Artifact:
        """The artifact that holds, or for a closed form determines, the model."""
        return self.train or self.convert or self.shards[0]

    @property
    def origin(self) -> dict[str, tuple[Artifact, ...]]:
        """What a reader of the model reads, by role; empty for a closed form."""
        return roles(train=self.train, convert=self.convert)


def roles(**artifacts: Artifact | None) -> dict[str, tuple[Artifact, ...]]:
    """Those that are there, by role."""
    return {role: (artifact,) for role, artifact in artifacts.items() if artifact is not None}


@dataclass(frozen=True)
class PagePlan:
    """What people look at, under a stable name, and the artifact that holds it."""

    name: str
    report: Artifact

    @property
    def sections(self) -> tuple[str, ...]:
        """What the page is made of."""
        return (self.report.stage,)

    @property
    def results(self) -> Path:
        """Folder of what people look at."""
        return Path("results") / self.name

    @property
    def stamp(self) -> Path:
        """Says which report the results folder holds; other stamps are removed on publication."""
        return self.results / f".address-{self.report.address}"

    @property
    def files(self) -> list[str]:
        """Files of the report."""
        sections = [SECTIONS[name] for name in self.sections]
        drawn = [f"figures/{f.name}.{suffix}" for s in sections for f in s.figures for suffix in ("svg", "png", "pdf")]
        return ["report.html", *drawn, *(f"tables/{t.name}" for s in sections for t in s.tables)]

    @property
    def published(self) -> list[Path]:
        """The stamp and the files that people look at: where one is missing, all are published again."""
        return [self.stamp, *(self.results / name for name in self.files)]

    def artifacts(self) -> Iterator[Artifact]:
        """Every artifact behind it, each once, parents first."""
        yield from self.report.ancestors()
        yield self.report


@dataclass(frozen=True)
class ExperimentPlan(PagePlan):
    """One sweep."""

    spec: Sweep
    dataset: Artifact
    models: tuple[ModelPlan, ...]
    grid: Artifact | None = None
    """The sizes, where a sparse sweep has to find them."""
    thresholds: tuple[Artifact, ...] = ()
    """Those of each model, in order."""

    @property
    def settled(self) -> bool:
        """Whether all sizes are known; else ``models`` are those of the sparse sweep."""
        return self.grid is None or bool(self.report.derived)

    @property
    def sections(self) -> tuple[str, ...]:
        return self.spec.sections

    def lends(self, size: int) -> Artifact:
        """Thresholds for an experiment that borrows them: of the same K, or of the sweep where they are one for all.

        Raises ``ConfigError`` where there are none.
        """
        own = {model.size: found for model, found in zip(self.models, self.thresholds, strict=True)}
        if size not in own and not self.spec.ways[0].shared:
            raise ConfigError(
                f"experiments.{self.name} has thresholds for each K of its own, {', '.join(map(str, own))}, and lends "
                f"none for K = {size}; give both experiments the same sizes"
            )
        return own.get(size, self.thresholds[0])


def dataset_artifact(config: Config, name: str) -> Artifact:
    """The canonical form of a dataset. Raises ``ConfigError`` where its source's digest is not known."""
    spec = config.datasets[name]
    params = spec.identity()
    if spec.has_own_source:
        if name not in config.sources:
            raise ConfigError(f"datasets.{name}: its source was not looked at; give its digest under 'sources'")
        params["source"] = config.sources[name]
    return Artifact("dataset", name, "", params)


def metric_artifact(config: Config, dataset: str, metric: str) -> Artifact | None:
    """The network of a metric; None for a metric that has none."""
    if not METRICS[metric].network:
        return None
    params = {"metric": metric}
    if (backbone := METRICS[metric].backbone) is not None:
        params["backbone"] = config.sources.get(f"backbone:{backbone}", official_digest(backbone))
    return Artifact("metric", dataset, metric, params)


def model_params(spec: Sweep, size: int) -> dict[str, Any]:
    """Training set, forward process and architecture of one model."""
    return {
        "size": size,
        "subset_seed": spec.subset_seed,
        "diffusion": spec.diffusion.resolved(),
        "denoiser": spec.denoiser.resolved(),
    }


def sample_params(spec: Sweep, size: int) -> dict[str, Any]:
    """As ``model_params``, of what decides a sample: a model of the whole dataset is the same whatever K."""
    whole = spec.denoiser.of_whole_dataset
    return {key: value for key, value in model_params(spec, size).items() if not (whole and key in _SUBSET)}


_SUBSET = ("size", "subset_seed")
"""Parameters that choose the training set."""


def train_artifact(spec: Sweep, dataset: Artifact, size: int) -> Artifact | None:
    """The training of one model; None for a closed form."""
    if not spec.trained:
        return None
    params = {**model_params(spec, size), "training": spec.training.resolved_for(size)}
    return Artifact("train", spec.dataset, label(size), params, {"dataset": (dataset,)})


def model_source(name: str, denoiser: PretrainedDenoiser, size: int) -> str:
    """Key of a model's digest among the sources of a configuration."""
    return f"model:{name}:{size}" if denoiser.one_a_size else f"model:{name}"


def model_label(name: str, denoiser: PretrainedDenoiser, size: int) -> str:
    """Readable prefix of the folder of a model of others."""
    return label(size) if denoiser.one_a_size else name


def convert_artifact(name: str, spec: ExperimentSpec, config: Config, dataset: Artifact, size: int) -> Artifact | None:
    """A model of others in our form; None for other models. Raises ``ConfigError`` where its digest is not known."""
    denoiser = spec.denoiser
    if not isinstance(denoiser, PretrainedDenoiser):
        return None
    params = {**denoiser.resolved(), "diffusion": spec.diffusion.resolved()}
    if denoiser.file is not None:
        params["file"] = denoiser.file.format(K=size)
    if denoiser.hub is None:
        key = model_source(name, denoiser, size)
        if key not in config.sources:
            raise ConfigError(f"experiments.{name}.denoiser: its file was not looked at; give {key!r} in 'sources'")
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
    """What a stage finds about one model and its samples; ``parents`` are read as well."""
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
    """Whether a GPU serves an artifact, where there is one."""
    serves = STAGES[artifact.stage].gpu
    if device not in ("auto", "cuda") or serves == "no":
        return False
    return serves == "yes" or DENOISERS[artifact.params["denoiser"]["kind"]].runs


def label(size: int) -> str:
    """Readable prefix of the folders of a model."""
    return f"K{size:05d}"
