"""Artifacts of an experiment on images. For each training-set size K

    dataset -> train -> sample (shards) -> neighbors -> thresholds -> classify -> basin, curvature, energy

and, over all K, a report. Steps that two experiments share have one address, hence are done once.

Where the sizes are a grid that is still to be found, a sparse sweep up to ``classify`` comes first, and from it
follows ``grid``, the sizes. The report's address then holds that of the grid, in place of artifacts not known yet, and
those of the analyses at the first size, which nobody makes: they stand for how all analyses are made.
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

from .experiments import (
    ExperimentPlan,
    ModelPlan,
    analysis_artifact,
    label,
    metric_artifact,
)
from .models import model_of

Groups = Mapping[str, tuple[Artifact, ...]]


@dataclass(frozen=True)
class Sweep:
    """Models of several sizes, measured and classified."""

    models: tuple[ModelPlan, ...]
    neighbors: tuple[Artifact, ...]
    thresholds: tuple[Artifact, ...]
    """One for each K, or the same for all."""
    classify: tuple[Artifact, ...]
    also: tuple[Artifact, ...]
    """Classes by other metrics: for each of them, each K."""


def image_experiment(
    name: str,
    spec: ExperimentSpec,
    config: Config,
    dataset: Artifact,
    lender: ExperimentPlan | None,
    found: tuple[int, ...] | None,
) -> ExperimentPlan:
    """Every artifact of a sweep over training sets of images.

    Parameters
    ----------
    name
        Of the experiment.
    spec
        What it asks for.
    config
        The whole configuration.
    dataset
        Its dataset.
    lender
        The experiment whose thresholds it takes, if any.
    found
        The sizes of a grid whose sparse sweep is done.
    """
    planner = _Planner(name, spec, config, dataset, lender)
    first = planner.sweep(spec.first_sizes)
    content = {"experiment": name, "spec": spec.identity()}
    if spec.open_grid is None:
        parts = planner.parts(first)
        report = Artifact("report", spec.dataset, name, content, {"dataset": (dataset,), **parts})
        return ExperimentPlan(name, report, spec, dataset, first.models, thresholds=first.thresholds)
    grid = Artifact("grid", spec.dataset, name, {"grid": spec.open_grid.resolved()}, {"classify": first.classify})
    # what the sweep does not cover: the versions of what follows it, and the networks behind metrics
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
    """Plans the artifacts of one experiment, for any of its sizes."""

    name: str
    spec: ExperimentSpec
    config: Config
    dataset: Artifact
    lender: ExperimentPlan | None
    """The experiment whose thresholds are borrowed, if any."""

    def sweep(self, sizes: tuple[int, ...]) -> Sweep:
        """Models, neighbours, thresholds and classes for each of ``sizes``."""
        models = tuple(model_of(self.name, self.spec, self.config, self.dataset, size) for size in sizes)
        (tables, found, classified), *others = (
            self._sorted(models, neighbors, thresholds) for neighbors, thresholds in self.spec.sortings
        )
        return Sweep(models, tables, found, classified, tuple(artifact for *_, also in others for artifact in also))

    def _sorted(
        self, models: tuple[ModelPlan, ...], neighbors: NeighborsSpec, own: ThresholdsBase
    ) -> tuple[tuple[Artifact, ...], tuple[Artifact, ...], tuple[Artifact, ...]]:
        """Neighbours, thresholds and classes of each model by one metric."""
        spec, metric = self.spec, self._network(neighbors.metric)
        extra = {"stand_in": True} if spec.stands_in(self.config.datasets[spec.dataset]) else {}
        tables = tuple(
            Artifact(
                "neighbors",
                spec.dataset,
                label(m.size),
                {"size": m.size, "subset_seed": spec.subset_seed, **neighbors.resolved(), **extra},
                {"dataset": (self.dataset,), "samples": m.shards, **metric},
            )
            for m in models
        )
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
            Artifact(
                "classify",
                spec.dataset,
                label(model.size),
                {"metric": neighbors.metric, "size": model.size},
                {"samples": model.shards, "neighbors": (table,), "thresholds": (found,), **metric},
            )
            for model, table, found in zip(models, tables, thresholds, strict=True)
        )
        return tables, thresholds, classified

    def parts(self, sweep: Sweep) -> Groups:
        """What a report shows of a sweep, its analyses among them."""
        return {
            "train": tuple(m.train for m in sweep.models if m.train is not None),
            **({"convert": converted} if (converted := tuple(m.convert for m in sweep.models if m.convert)) else {}),
            "samples": tuple(shard for m in sweep.models for shard in m.shards),
            "neighbors": sweep.neighbors,
            "thresholds": tuple({t.address: t for t in sweep.thresholds}.values()),
            "classify": sweep.classify,
            **({"also": sweep.also} if sweep.also else {}),
            **({"peers": self._peers(self.spec.peers, sweep)} if self.spec.peers else {}),
            **{stage: self._analysed(stage, analysis, sweep) for stage, analysis in self.spec.analyses.items()},
        }

    def _analysed(self, stage: str, analysis: AnalysisSpec, sweep: Sweep) -> tuple[Artifact, ...]:
        """What an analysis finds about each model."""
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

    def _peers(self, peers: PeersSpec, sweep: Sweep) -> tuple[Artifact, ...]:
        """What other measures say about each synthetic set."""
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
        """The network of a metric, as a parent; none for a metric that has none."""
        artifact = metric_artifact(self.config, self.spec.dataset, metric)
        return {"metric": (artifact,)} if artifact else {}
