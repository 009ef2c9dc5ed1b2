"""Plans the artifacts of an experiment on images. For each training-set size K these are

    dataset -> train -> sample (shards) -> neighbors -> thresholds -> classify -> basin, curvature, energy

and for all K together a report. Steps that two experiments share have the same address, so they are done once.

The sizes may be a grid that is still to be found. Then a sparse sweep up to ``classify`` comes first, and ``grid``
finds the sizes from it. The artifacts of these sizes are not known at first, so the address of the report contains that
of the grid in their place. It also contains the addresses of the analyses at the first size. These analyses need not be
made: their addresses stand for the way in which all analyses are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amdiff.artifacts import Artifact
from amdiff.config import (
    AnalysisSpec,
    Config,
    ExperimentSpec,
    NeighborsSpec,
    PeersSpec,
    ThresholdsBase,
)

from .common import analysis_artifact, label, metric_artifact, with_order
from .models import model_of
from .pages import ExperimentPlan, ModelPlan, files_of_page

Groups = Mapping[str, tuple[Artifact, ...]]
"""Artifacts by role."""


@dataclass(frozen=True)
class SortedModels:
    """Models of several sizes, with the neighbours, thresholds and classes of their samples."""

    models: tuple[ModelPlan, ...]
    """The models."""
    neighbors: tuple[Artifact, ...]
    """Table of nearest neighbours of each model."""
    thresholds: tuple[Artifact, ...]
    """Thresholds of each model; all models may share the same ones."""
    classify: tuple[Artifact, ...]
    """Classes of the samples of each model."""
    also: tuple[Artifact, ...]
    """Classes by the other metrics: those of every model for the first of them, then for the next."""


def image_experiment(
    name: str,
    spec: ExperimentSpec,
    config: Config,
    dataset: Artifact,
    lender: ExperimentPlan | None,
    found: tuple[int, ...] | None,
) -> ExperimentPlan:
    """Plan every artifact of a sweep over training-set sizes on images.

    Parameters
    ----------
    name
        Name of the experiment.
    spec
        What the experiment asks for.
    config
        The whole configuration, with the digests of its sources.
    dataset
        The dataset of the experiment.
    lender
        The experiment that lends its thresholds, or None.
    found
        The sizes that the sparse sweep has found, or None if it is not done or there is none.

    Raises
    ------
    ConfigError
        If the digest of a source is not known, or the lender has no thresholds for a size.
    """
    spec = with_order(name, spec, config)
    planner = _Planner(name, spec, config, dataset, lender)
    first = planner.sweep(spec.first_sizes)
    content = {"experiment": name, "spec": spec.identity(), "files": files_of_page(spec.sections)}
    if spec.open_grid is None:
        parts = planner.parts(first)
        report = Artifact("report", spec.dataset, name, content, {"dataset": (dataset,), **parts})
        return ExperimentPlan(name, report, spec, dataset, first.models, thresholds=first.thresholds)
    grid = Artifact("grid", spec.dataset, name, {"grid": spec.open_grid.resolved()}, {"classify": first.classify})
    # these cover what the sparse sweep does not: the versions of later stages, and the networks of metrics
    parts = planner.parts(first)
    content["analyses"] = {stage: parts[stage][0].address for stage in spec.analyses}
    if spec.also:
        content["also"] = [artifact.address for artifact in parts["also"]]
    if spec.peers:
        content["peers"] = parts["peers"][0].address
    sweep = planner.sweep(found) if found else None
    report = Artifact(
        "report",
        spec.dataset,
        name,
        content,
        {"dataset": (dataset,), "grid": (grid,)},
        derived=planner.parts(sweep) if sweep else {},
    )
    known = sweep or first
    return ExperimentPlan(name, report, spec, dataset, known.models, grid=grid, thresholds=known.thresholds)


@dataclass(frozen=True)
class _Planner:
    """Plans the artifacts of one experiment for given sizes."""

    name: str
    spec: ExperimentSpec
    config: Config
    dataset: Artifact
    lender: ExperimentPlan | None
    """The experiment that lends its thresholds, or None."""

    def sweep(self, sizes: tuple[int, ...]) -> SortedModels:
        """Models, neighbours, thresholds and classes for each of ``sizes``."""
        models = tuple(model_of(self.name, self.spec, self.config, self.dataset, size) for size in sizes)
        (tables, found, classified), *others = (
            self._sorted(models, neighbors, thresholds) for neighbors, thresholds in self.spec.sortings
        )
        return SortedModels(
            models, tables, found, classified, tuple(artifact for *_, also in others for artifact in also)
        )

    def _sorted(
        self, models: tuple[ModelPlan, ...], neighbors: NeighborsSpec, own: ThresholdsBase
    ) -> tuple[tuple[Artifact, ...], tuple[Artifact, ...], tuple[Artifact, ...]]:
        """Neighbours, thresholds and classes of each model by one metric."""
        spec = self.spec
        tables = tuple(self._table(model, neighbors) for model in models)
        thresholds = tuple(
            Artifact(
                "thresholds",
                spec.dataset,
                "sweep" if own.pools else label(model.size),
                own.resolved(),
                {
                    "neighbors": tables if own.pools else (table,),
                    **({"lent": (self.lender.lends(model.size),)} if self.lender and own.lender else {}),
                },
            )
            for model, table in zip(models, tables, strict=True)
        )
        classified = tuple(
            self._classified(model, table, found, neighbors)
            for model, table, found in zip(models, tables, thresholds, strict=True)
        )
        return tables, thresholds, classified

    def _table(self, model: ModelPlan, neighbors: NeighborsSpec) -> Artifact:
        """The nearest neighbours of the samples of a model."""
        spec = self.spec
        extra = {"stand_in": True} if spec.stands_in(self.config.datasets[spec.dataset]) else {}
        return Artifact(
            "neighbors",
            spec.dataset,
            label(model.size),
            {"size": model.size, **spec.subset, **neighbors.resolved(), **extra},
            {"dataset": (self.dataset,), "samples": model.shards, **self._network(neighbors.metric)},
        )

    def _classified(self, model: ModelPlan, table: Artifact, found: Artifact, neighbors: NeighborsSpec) -> Artifact:
        """The classes of the samples of a model, at the thresholds ``found``."""
        per_image = self.spec.set_per_image
        rarefied = {} if per_image is None else {"rarefy": per_image}
        return Artifact(
            "classify",
            self.spec.dataset,
            label(model.size),
            {"metric": neighbors.metric, "size": model.size, **rarefied},
            {"samples": model.shards, "neighbors": (table,), "thresholds": (found,), **self._network(neighbors.metric)},
        )

    def _snapshots(self, sweep: SortedModels) -> tuple[Artifact, ...]:
        """The classes at each snapshot of each training, at the thresholds of the whole trainings."""
        neighbors = self.spec.neighbors
        found = []
        for whole, thresholds in zip(sweep.models, sweep.thresholds, strict=True):
            for step in self.spec.training.steps_for(whole.size)[:-1]:
                model = model_of(self.name, self.spec, self.config, self.dataset, whole.size, step=step)
                found.append(self._classified(model, self._table(model, neighbors), thresholds, neighbors))
        return tuple(found)

    def parts(self, sweep: SortedModels) -> Groups:
        """The artifacts of a sweep that a report shows, including its analyses."""
        return {
            "train": tuple(m.train for m in sweep.models if m.train is not None),
            **({"convert": converted} if (converted := tuple(m.convert for m in sweep.models if m.convert)) else {}),
            "samples": tuple(shard for m in sweep.models for shard in m.shards),
            "neighbors": sweep.neighbors,
            "thresholds": tuple({t.address: t for t in sweep.thresholds}.values()),
            "classify": sweep.classify,
            **({"snapshots": self._snapshots(sweep)} if self.spec.snapshots else {}),
            **({"twins": self._twins(sweep)} if self.spec.twins else {}),
            **({"also": sweep.also} if sweep.also else {}),
            **({"peers": self._peers(self.spec.peers, sweep)} if self.spec.peers else {}),
            **{stage: self._analysed(stage, analysis, sweep) for stage, analysis in self.spec.analyses.items()},
        }

    def _analysed(self, stage: str, analysis: AnalysisSpec, sweep: SortedModels) -> tuple[Artifact, ...]:
        """The analysis of each model by one stage."""
        network = self._network(analysis.compares_by) if analysis.compares_by else {}
        return tuple(
            analysis_artifact(
                stage,
                self.spec,
                self.dataset,
                model,
                {"analysis": analysis.resolved()},
                {"classify": (classes,), **network},
            )
            for model, classes in zip(sweep.models, sweep.classify, strict=True)
        )

    def _twins(self, sweep: SortedModels) -> tuple[Artifact, ...]:
        """The comparison of each model with its twin, at the sizes that have one."""
        metric = self.spec.neighbors.metric
        return tuple(
            Artifact(
                "twins",
                self.spec.dataset,
                label(model.size),
                {"size": model.size, "metric": metric},
                {
                    "samples": model.shards,
                    "twin": model_of(self.name, self.spec, self.config, self.dataset, model.size, twin=True).shards,
                    "neighbors": (table,),
                    "classify": (classes,),
                    **self._network(metric),
                },
            )
            for model, table, classes in zip(sweep.models, sweep.neighbors, sweep.classify, strict=True)
            if model.size in self.spec.twins
        )

    def _peers(self, peers: PeersSpec, sweep: SortedModels) -> tuple[Artifact, ...]:
        """The measures from the literature for each synthetic set."""
        metric = self.spec.neighbors.metric
        return tuple(
            Artifact(
                "peers",
                self.spec.dataset,
                label(model.size),
                {"size": model.size, "metric": metric, "peers": peers.resolved()},
                {
                    "dataset": (self.dataset,),
                    "samples": model.shards,
                    "neighbors": (table,),
                    "classify": (classes,),
                    **self._network(metric),
                },
            )
            for model, table, classes in zip(sweep.models, sweep.neighbors, sweep.classify, strict=True)
        )

    def _network(self, metric: str) -> Groups:
        """The network of a metric as a parent; empty if the metric has no network."""
        artifact = metric_artifact(self.config, self.spec.dataset, metric)
        return {"metric": (artifact,)} if artifact else {}
