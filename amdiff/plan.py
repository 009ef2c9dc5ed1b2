"""From a configuration to every artifact that it asks for: pure, and quick to import.

One experiment makes, for each training-set size K,

    dataset -> train -> sample (shards) -> neighbors -> thresholds -> classify

and, over all K, a report. Steps that two experiments share have one address, hence are done once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from amdiff.artifacts import Artifact
from amdiff.config import Config, ConfigError, ExactDenoiser, ExperimentSpec, FixedThresholds, SamplingSpec

FIGURES = {
    "fractions": "Phases",
    "distances": "Thresholds",
    "sensitivity": "Thresholds",
    "panel_memorized": "Samples",
    "panel_spurious": "Samples",
    "panel_generalized": "Samples",
    "borderline": "Samples",
    "attractors": "Attractors",
    "training": "Models",
}
"""Figures of every report, with the group they belong to."""


TABLES = (
    "fractions.csv",
    "thresholds.csv",
    "attractor_counts.csv",
    "attractors.csv",
    "panels.csv",
    "samples.parquet",
)
"""Tables of every report."""


@dataclass(frozen=True)
class ModelPlan:
    """Everything about one training-set size."""

    size: int
    iterations: int
    """Optimizer steps; 0 for a closed-form denoiser."""
    train: Artifact | None
    shards: tuple[Artifact, ...]
    neighbors: Artifact
    thresholds: Artifact
    classify: Artifact

    @property
    def weights(self) -> Artifact:
        """The artifact that holds, or for a closed form determines, the model."""
        return self.train or self.shards[0]


@dataclass(frozen=True)
class ExperimentPlan:
    """One sweep."""

    name: str
    spec: ExperimentSpec
    dataset: Artifact
    models: tuple[ModelPlan, ...]
    report: Artifact

    @property
    def results(self) -> Path:
        """What people look at."""
        return Path("results") / self.name

    @property
    def stamp(self) -> Path:
        """Says which report the results folder holds; other stamps are removed on publication."""
        return self.results / f".address-{self.report.address}"

    @property
    def published(self) -> list[Path]:
        """The stamp and the files that people look at: where one is missing, all are published again."""
        names = ["report.html", *(f"figures/{f}.{suffix}" for f in FIGURES for suffix in ("svg", "png", "pdf"))]
        names += [f"tables/{t}" for t in TABLES]
        return [self.stamp, *(self.results / name for name in names)]

    def artifacts(self) -> Iterator[Artifact]:
        """Every artifact of the experiment, each once, parents first."""
        yield from self.report.ancestors()
        yield self.report


@dataclass(frozen=True)
class Plan:
    """A configuration, spelled out."""

    config: Config
    experiments: tuple[ExperimentPlan, ...]
    notes: tuple[str, ...] = ()
    """What a person should hear before it runs: settings that are allowed and rarely wise."""

    @cached_property
    def by_folder(self) -> dict[str, Artifact]:
        """Every artifact, by its folder relative to the project's root."""
        return {a.folder.as_posix(): a for e in self.experiments for a in e.artifacts()}

    @cached_property
    def datasets(self) -> dict[str, Artifact]:
        """Built-in datasets, whether an experiment uses them or not, by folder: made when asked for by name."""
        built_in = [name for name, spec in self.config.datasets.items() if not spec.has_own_source]
        return {a.folder.as_posix(): a for a in (dataset_artifact(self.config, name) for name in built_in)}

    def experiment(self, name: str) -> ExperimentPlan:
        """The experiment of that name. Raises ``ConfigError``."""
        for experiment in self.experiments:
            if experiment.name == name:
                return experiment
        known = ", ".join(e.name for e in self.experiments)
        raise ConfigError(f"no experiment {name!r} in this configuration; known: {known}")

    def artifact(self, folder: str) -> Artifact:
        """The artifact whose folder (or ``spec.json``) is given. Raises ``ConfigError``."""
        key = Path(folder).as_posix().removesuffix("/spec.json")
        found = self.by_folder.get(key) or self.datasets.get(key)
        if found is None:
            raise ConfigError(
                f"{key} is no artifact of this configuration; `amdiff plan` lists those that are "
                "(the configuration or the data behind it changed since that name was made)"
            )
        return found


def build_plan(config: Config) -> Plan:
    """Every artifact of every experiment. Raises ``ConfigError`` where a source's digest is not known."""
    return Plan(config, tuple(_experiment(config, name) for name in config.experiments))


def shard_ranges(count: int, size: int, spec: SamplingSpec) -> list[tuple[int, int]]:
    """Index ranges [start, stop) that partition [0, count).

    Boundaries lie at multiples of ``max(shard_per_image K, minimum)`` and, within these, at
    multiples of ``shard_largest``: they do not depend on ``count``, so the shards of |S'| = 4K are
    among those of |S'| = 8K.
    """
    block = max(spec.shard_per_image * size, spec.minimum)
    edges = sorted({a + b for a in range(0, count, block) for b in range(0, block, spec.shard_largest)} | {count})
    edges = [e for e in edges if e <= count]
    return list(itertools.pairwise(edges))


def dataset_artifact(config: Config, name: str) -> Artifact:
    """The canonical form of a dataset. Raises ``ConfigError`` where its source's digest is not known."""
    spec = config.datasets[name]
    params = spec.identity()
    if spec.has_own_source:
        if name not in config.sources:
            raise ConfigError(f"datasets.{name}: its source was not looked at; give its digest under 'sources'")
        params["source"] = config.sources[name]
    return Artifact("dataset", name, "", params)


def _experiment(config: Config, name: str) -> ExperimentPlan:
    spec = config.experiments[name]
    dataset = dataset_artifact(config, spec.dataset)
    measured = [_measured(spec, dataset, size) for size in spec.sizes]
    pooled = not isinstance(spec.thresholds, FixedThresholds) and spec.thresholds.pooled
    tables = [neighbors for *_, neighbors in measured]
    models = []
    for size, (train, shards, neighbors) in zip(spec.sizes, measured, strict=True):
        thresholds = _thresholds(spec, tables if pooled else [neighbors], "sweep" if pooled else _label(size))
        classify = Artifact(
            "classify",
            spec.dataset,
            _label(size),
            {"metric": spec.neighbors.metric, "size": size},
            {"samples": shards, "neighbors": (neighbors,), "thresholds": (thresholds,)},
        )
        iterations = 0 if train is None else spec.training.iterations_for(size)
        models.append(ModelPlan(size, iterations, train, shards, neighbors, thresholds, classify))
    report = Artifact(
        "report",
        spec.dataset,
        name,
        {"experiment": name, "spec": spec.identity()},
        {
            "dataset": (dataset,),
            "train": tuple(m.train for m in models if m.train is not None),
            "samples": tuple(shard for m in models for shard in m.shards),
            "neighbors": tuple(m.neighbors for m in models),
            "thresholds": tuple({m.thresholds.address: m.thresholds for m in models}.values()),
            "classify": tuple(m.classify for m in models),
        },
    )
    return ExperimentPlan(name, spec, dataset, tuple(models), report)


def _measured(
    spec: ExperimentSpec, dataset: Artifact, size: int
) -> tuple[Artifact | None, tuple[Artifact, ...], Artifact]:
    """Model, synthetic set and neighbour tables of one K."""
    subset = {"size": size, "subset_seed": spec.subset_seed}
    model = {**subset, "diffusion": spec.diffusion.identity(), "denoiser": spec.denoiser.identity()}
    train = None
    if not isinstance(spec.denoiser, ExactDenoiser):
        training = spec.training.identity()
        del training["iterations_by_size"], training["cap_batch"]
        training["iterations"] = spec.training.iterations_for(size)
        training["batch_size"] = spec.training.batch_for(size)
        train = Artifact("train", spec.dataset, _label(size), {**model, "training": training}, {"dataset": (dataset,)})
    if isinstance(spec.denoiser, ExactDenoiser) and spec.denoiser.memories == "gaussian":
        del model["size"], model["subset_seed"]  # fitted to the whole dataset, whatever K
    sampling = spec.sampling.identity()
    sampling["steps"] = spec.sampling.steps or spec.diffusion.steps
    for key in ("per_image", "minimum", "shard_per_image", "shard_largest"):
        del sampling[key]
    shards = tuple(
        Artifact(
            "sample",
            spec.dataset,
            _label(size),
            {**model, "sampling": sampling, "start": start, "stop": stop},
            {"train": (train,)} if train else {"dataset": (dataset,)},
        )
        for start, stop in shard_ranges(spec.sampling.count(size), size, spec.sampling)
    )
    neighbors = Artifact(
        "neighbors",
        spec.dataset,
        _label(size),
        {**subset, **spec.neighbors.identity()},
        {"dataset": (dataset,), "samples": shards},
    )
    return train, shards, neighbors


def _thresholds(spec: ExperimentSpec, tables: list[Artifact], label: str) -> Artifact:
    return Artifact("thresholds", spec.dataset, label, spec.thresholds.identity(), {"neighbors": tuple(tables)})


def _label(size: int) -> str:
    return f"K{size:05d}"
