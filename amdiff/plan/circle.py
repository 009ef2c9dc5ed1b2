"""Artifacts of the toy model. For each training-set size K

    dataset -> train -> sample -> likelihood

and, over all K, a report.
"""

from __future__ import annotations

from amdiff.artifacts import Artifact
from amdiff.config import CircleSpec

from .experiments import ExperimentPlan, ModelPlan, analysis_artifact, label, model_params, train_artifact


def circle_experiment(name: str, spec: CircleSpec, dataset: Artifact) -> ExperimentPlan:
    """Every artifact of a sweep over training sets on the circle."""
    models = [_model(spec, dataset, size) for size in spec.sizes]
    settings = {"likelihood": spec.likelihood.resolved()}
    report = Artifact(
        "report",
        spec.dataset,
        name,
        {"experiment": name, "spec": spec.identity()},
        {
            "dataset": (dataset,),
            "train": tuple(m.train for m in models if m.train is not None),
            "samples": tuple(shard for m in models for shard in m.shards),
            "likelihood": tuple(analysis_artifact("likelihood", spec, dataset, m, settings, {}) for m in models),
        },
    )
    return ExperimentPlan(name, report, spec, dataset, tuple(models))


def _model(spec: CircleSpec, dataset: Artifact, size: int) -> ModelPlan:
    """Model and samples of one K."""
    train = train_artifact(spec, dataset, size)
    sampling = spec.sampling.identity()
    count = sampling.pop("count")
    shard = Artifact(
        "sample",
        spec.dataset,
        label(size),
        {**model_params(spec, size), "sampling": sampling, "start": 0, "stop": count},
        {"train": (train,)} if train else {"dataset": (dataset,)},
        derived={"dataset": (dataset,)} if train else {},
    )
    return ModelPlan(size, count, train, (shard,))
