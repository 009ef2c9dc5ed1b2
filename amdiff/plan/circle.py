"""Artifacts of the toy model. For each training-set size K

    dataset -> train -> sample -> likelihood

and, over all K, a report.
"""

from __future__ import annotations

from typing import Any

from amdiff.artifacts import Artifact
from amdiff.config import CircleSpec, ExactCircleDenoiser

from .experiments import ExperimentPlan, ModelPlan, label


def circle_experiment(name: str, spec: CircleSpec, dataset: Artifact) -> ExperimentPlan:
    """Every artifact of a sweep over training sets on the circle."""
    models = [_model(spec, dataset, size) for size in spec.sizes]
    landscapes = tuple(
        Artifact(
            "likelihood",
            spec.dataset,
            label(model.size),
            {**_model_params(spec, model.size), "likelihood": spec.likelihood.resolved()},
            {
                "dataset": (dataset,),
                **({"train": (model.train,)} if model.train else {}),
                "samples": model.shards,
            },
        )
        for model in models
    )
    report = Artifact(
        "report",
        spec.dataset,
        name,
        {"experiment": name, "spec": spec.identity()},
        {
            "dataset": (dataset,),
            "train": tuple(m.train for m in models if m.train is not None),
            "samples": tuple(shard for m in models for shard in m.shards),
            "likelihood": landscapes,
        },
    )
    return ExperimentPlan(name, spec, dataset, tuple(models), report)


def _model_params(spec: CircleSpec, size: int) -> dict[str, Any]:
    """Training set, forward process and architecture."""
    return {
        "size": size,
        "subset_seed": spec.subset_seed,
        "diffusion": spec.diffusion.identity(),
        "denoiser": spec.denoiser.identity(),
    }


def _model(spec: CircleSpec, dataset: Artifact, size: int) -> ModelPlan:
    params = _model_params(spec, size)
    train = None
    if not isinstance(spec.denoiser, ExactCircleDenoiser):
        training = spec.training.resolved(size)
        train = Artifact("train", spec.dataset, label(size), {**params, "training": training}, {"dataset": (dataset,)})
    sampling = spec.sampling.identity()
    count = sampling.pop("count")
    shard = Artifact(
        "sample",
        spec.dataset,
        label(size),
        {**params, "sampling": sampling, "start": 0, "stop": count},
        {"train": (train,)} if train else {"dataset": (dataset,)},
    )
    return ModelPlan(size, 0 if train is None else spec.training.iterations_for(size), count, train, (shard,))
