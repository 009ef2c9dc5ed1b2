"""Plans the artifacts of a sweep of images over given training-set sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from amdiff.artifacts import Artifact
from amdiff.config import (
    AnalysisSpec,
    Config,
    ExperimentSpec,
    LossesSpec,
    NeighborsSpec,
    PeersSpec,
    ThresholdsBase,
)

from .common import analysis_artifact, label, metric_artifact, model_params
from .models import model_of
from .pages import ExperimentPlan, ModelPlan

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


@dataclass(frozen=True)
class SweepPlanner:
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

    def _snapshots(self, sweep: SortedModels) -> Groups:
        """The classes at each snapshot of each training, at the thresholds of the whole trainings, and the losses."""
        neighbors = self.spec.neighbors
        found: dict[str, list[Artifact]] = {"snapshots": [], "snapshot_losses": []}
        for whole, thresholds in zip(sweep.models, sweep.thresholds, strict=True):
            for step in self.spec.training.steps_for(whole.size)[:-1]:
                model = model_of(self.name, self.spec, self.config, self.dataset, whole.size, step=step)
                table = self._table(model, neighbors)
                found["snapshots"].append(self._classified(model, table, thresholds, neighbors))
                if self.spec.losses is not None:
                    found["snapshot_losses"].append(self._loss(model, self.spec.losses))
        return {role: tuple(artifacts) for role, artifacts in found.items() if artifacts}

    def _replicates(self, sweep: SortedModels) -> tuple[Artifact, ...]:
        """The classes of the further runs: those of every K for the second run, then for the next."""
        assert self.spec.replicates is not None
        sizes = tuple(model.size for model in sweep.models)
        runs = (replace(self, spec=self.spec.replicate(n)) for n in range(1, self.spec.replicates.runs))
        return tuple(artifact for run in runs for artifact in run.sweep(sizes).classify)

    def _loss(self, model: ModelPlan, losses: LossesSpec) -> Artifact:
        """The losses of a model, noise level by noise level."""
        params = {**model_params(self.spec, model.size), "losses": losses.resolved()}
        parents = {"dataset": (self.dataset,), **model.origin}
        return Artifact("losses", self.spec.dataset, label(model.size), params, parents)

    def parts(self, sweep: SortedModels) -> Groups:
        """The artifacts of a sweep that a report shows, including its analyses."""
        losses = self.spec.losses_of_models
        return {
            "train": tuple(m.train for m in sweep.models if m.train is not None),
            **({"convert": converted} if (converted := tuple(m.convert for m in sweep.models if m.convert)) else {}),
            "samples": tuple(shard for m in sweep.models for shard in m.shards),
            "neighbors": sweep.neighbors,
            "thresholds": tuple({t.address: t for t in sweep.thresholds}.values()),
            "classify": sweep.classify,
            **({"replicates": self._replicates(sweep)} if self.spec.replicates else {}),
            **(self._snapshots(sweep) if self.spec.snapshots else {}),
            **({"losses": tuple(self._loss(m, losses) for m in sweep.models)} if losses else {}),
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
