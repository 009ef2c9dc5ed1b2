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

    ``lender`` is the experiment whose thresholds are borrowed, if any; ``found`` are the sizes of a grid whose
    sparse sweep is done.
    """
    metrics: dict[str, Groups] = {
        metric: {"metric": (artifact,)} if (artifact := metric_artifact(config, spec.dataset, metric)) else {}
        for metric in spec.metrics
    }
    first = _sweep(name, spec, config, spec.first_sizes, dataset, metrics, lender)
    content = {"experiment": name, "spec": spec.identity()}
    if spec.open_grid is None:
        parts = _parts(spec, first, dataset, metrics)
        report = Artifact("report", spec.dataset, name, content, {"dataset": (dataset,), **parts})
        return ExperimentPlan(name, report, spec, dataset, first.models, thresholds=first.thresholds)
    grid = Artifact("grid", spec.dataset, name, {"grid": spec.open_grid.resolved()}, {"classify": first.classify})
    # what the sweep does not cover: the versions of what follows it, and the networks behind metrics
    parts = _parts(spec, first, dataset, metrics)
    content["analyses"] = {stage: parts[stage][0].address for stage in spec.analyses}
    if spec.also:
        content["also"] = [artifact.address for artifact in parts["also"]]
    if spec.peers:
        content["peers"] = parts["peers"][0].address
    sweep = _sweep(name, spec, config, found, dataset, metrics, lender) if found else None
    report = Artifact(
        "report",
        spec.dataset,
        name,
        content,
        {"dataset": (dataset,), "grid": (grid,)},
        derived=_parts(spec, sweep, dataset, metrics) if sweep else {},
    )
    known = sweep or first
    return ExperimentPlan(name, report, spec, dataset, known.models, grid=grid, thresholds=known.thresholds)


def _sweep(
    name: str,
    spec: ExperimentSpec,
    config: Config,
    sizes: tuple[int, ...],
    dataset: Artifact,
    metrics: Mapping[str, Groups],
    lender: ExperimentPlan | None,
) -> Sweep:
    """Models, neighbours, thresholds and classes for each of ``sizes``."""
    models = tuple(model_of(name, spec, config, dataset, size) for size in sizes)
    stand_in = spec.stands_in(config.datasets[spec.dataset])
    (tables, found, classified), *others = (
        _sorted(spec, neighbors, thresholds, models, dataset, metrics[neighbors.metric], lender, stand_in)
        for neighbors, thresholds in spec.sortings
    )
    return Sweep(models, tables, found, classified, tuple(artifact for *_, also in others for artifact in also))


def _sorted(
    spec: ExperimentSpec,
    neighbors: NeighborsSpec,
    own: ThresholdsBase,
    models: tuple[ModelPlan, ...],
    dataset: Artifact,
    metric: Groups,
    lender: ExperimentPlan | None,
    stand_in: bool,
) -> tuple[tuple[Artifact, ...], tuple[Artifact, ...], tuple[Artifact, ...]]:
    """Neighbours, thresholds and classes of each model by one metric; ``lender`` if the thresholds are borrowed."""
    extra = {"stand_in": True} if stand_in else {}
    tables = tuple(
        Artifact(
            "neighbors",
            spec.dataset,
            label(m.size),
            {"size": m.size, "subset_seed": spec.subset_seed, **neighbors.resolved(), **extra},
            {"dataset": (dataset,), "samples": m.shards, **metric},
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
                **({"lent": (lender.lends(model.size),)} if lender and own.lender else {}),
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


def _parts(spec: ExperimentSpec, sweep: Sweep, dataset: Artifact, metrics: Mapping[str, Groups]) -> Groups:
    """What a report shows of a sweep, its analyses among them."""
    return {
        "train": tuple(m.train for m in sweep.models if m.train is not None),
        **({"convert": converted} if (converted := tuple(m.convert for m in sweep.models if m.convert)) else {}),
        "samples": tuple(shard for m in sweep.models for shard in m.shards),
        "neighbors": sweep.neighbors,
        "thresholds": tuple({t.address: t for t in sweep.thresholds}.values()),
        "classify": sweep.classify,
        **({"also": sweep.also} if sweep.also else {}),
        **({"peers": _peers(spec, spec.peers, sweep, dataset, metrics)} if spec.peers else {}),
        **{
            stage: tuple(
                analysis_artifact(
                    stage,
                    spec,
                    dataset,
                    model,
                    {"analysis": analysis.resolved()},
                    {"classify": (classes,), **metrics.get(analysis.compares_by or "", {})},
                )
                for model, classes in zip(sweep.models, sweep.classify, strict=True)
            )
            for stage, analysis in spec.analyses.items()
        },
    }


def _peers(
    spec: ExperimentSpec, peers: PeersSpec, sweep: Sweep, dataset: Artifact, metrics: Mapping[str, Groups]
) -> tuple[Artifact, ...]:
    """What other measures say about each synthetic set."""
    return tuple(
        Artifact(
            "peers",
            spec.dataset,
            label(model.size),
            {"size": model.size, "metric": spec.neighbors.metric, "peers": peers.resolved()},
            {
                "dataset": (dataset,),
                "samples": model.shards,
                "neighbors": (table,),
                "classify": (classes,),
                **metrics[spec.neighbors.metric],
            },
        )
        for model, table, classes in zip(sweep.models, sweep.neighbors, sweep.classify, strict=True)
    )
