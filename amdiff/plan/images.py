"""Artifacts of an experiment on images. For each training-set size K

    dataset -> train -> sample (shards) -> neighbors -> thresholds -> classify -> basin, curvature, energy

and, over all K, a report. Steps that two experiments share have one address, hence are done once.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from amdiff.artifacts import Artifact
from amdiff.config import BasinSpec, Config, ExactDenoiser, ExperimentSpec, FixedThresholds, SamplingSpec

from .experiments import (
    ExperimentPlan,
    ModelPlan,
    analysis_artifact,
    dataset_artifact,
    label,
    metric_artifact,
    model_params,
    train_artifact,
)


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


def image_experiment(name: str, spec: ExperimentSpec, config: Config) -> ExperimentPlan:
    """Every artifact of a sweep over training sets of images."""
    dataset = dataset_artifact(config, spec.dataset)
    metrics = {
        metric: {"metric": found} if (found := metric_artifact(config, spec.dataset, metric)) else {}
        for metric in spec.metrics
    }
    compared = metrics[spec.neighbors.metric]
    models = [_model(spec, dataset, size) for size in spec.sizes]
    tables = [_neighbors(spec, dataset, model, compared) for model in models]
    pooled = not isinstance(spec.thresholds, FixedThresholds) and spec.thresholds.pooled
    thresholds, classified = [], []
    for model, table in zip(models, tables, strict=True):
        found = Artifact(
            "thresholds",
            spec.dataset,
            "sweep" if pooled else label(model.size),
            spec.thresholds.identity(),
            {"neighbors": tuple(tables) if pooled else (table,)},
        )
        thresholds.append(found)
        classified.append(
            Artifact(
                "classify",
                spec.dataset,
                label(model.size),
                {"metric": spec.neighbors.metric, "size": model.size},
                {"samples": model.shards, "neighbors": (table,), "thresholds": (found,), **_groups(compared)},
            )
        )
    analyses = {
        stage: tuple(
            analysis_artifact(stage, spec, dataset, model, {"analysis": analysis.resolved()}, classify=classes, **also)
            for model, classes in zip(models, classified, strict=True)
        )
        for stage, analysis in spec.analyses.items()
        for also in [metrics[analysis.metric] if isinstance(analysis, BasinSpec) else {}]
    }
    report = Artifact(
        "report",
        spec.dataset,
        name,
        {"experiment": name, "spec": spec.identity()},
        {
            "dataset": (dataset,),
            "train": tuple(m.train for m in models if m.train is not None),
            "samples": tuple(shard for m in models for shard in m.shards),
            "neighbors": tuple(tables),
            "thresholds": tuple({t.address: t for t in thresholds}.values()),
            "classify": tuple(classified),
            **analyses,
        },
    )
    return ExperimentPlan(name, spec, dataset, tuple(models), report)


def _model(spec: ExperimentSpec, dataset: Artifact, size: int) -> ModelPlan:
    """Model and synthetic set of one K."""
    params, train = model_params(spec, size), train_artifact(spec, dataset, size)
    if isinstance(spec.denoiser, ExactDenoiser) and spec.denoiser.memories == "gaussian":
        del params["size"], params["subset_seed"]  # fitted to the whole dataset, whatever K
    sampling = spec.sampling.identity()
    sampling["steps"] = spec.sampling.steps or spec.diffusion.steps
    for key in ("per_image", "minimum", "shard_per_image", "shard_largest"):
        del sampling[key]
    count = spec.sampling.count(size)
    shards = tuple(
        Artifact(
            "sample",
            spec.dataset,
            label(size),
            {**params, "sampling": sampling, "start": start, "stop": stop},
            {"train": (train,)} if train else {"dataset": (dataset,)},
        )
        for start, stop in shard_ranges(count, size, spec.sampling)
    )
    return ModelPlan(size, count, train, shards)


def _neighbors(spec: ExperimentSpec, dataset: Artifact, model: ModelPlan, metric: Mapping[str, Artifact]) -> Artifact:
    """Neighbour tables of one K."""
    params = {"size": model.size, "subset_seed": spec.subset_seed, **spec.neighbors.identity()}
    parents = {"dataset": (dataset,), "samples": model.shards, **_groups(metric)}
    return Artifact("neighbors", spec.dataset, label(model.size), params, parents)


def _groups(parents: Mapping[str, Artifact]) -> dict[str, tuple[Artifact, ...]]:
    return {role: (parent,) for role, parent in parents.items()}
