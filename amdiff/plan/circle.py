"""Plans the artifacts of an experiment on the circle. For each training-set size K these are

    dataset -> train -> sample -> likelihood

and for all K together a report.
"""

from __future__ import annotations

from amdiff.artifacts import Artifact
from amdiff.config import CircleSpec, Config

from .common import analysis_artifact
from .models import model_of
from .pages import ExperimentPlan, files_of_page


def circle_experiment(name: str, spec: CircleSpec, config: Config, dataset: Artifact) -> ExperimentPlan:
    """Plan every artifact of a sweep over training-set sizes on the circle."""
    models = [model_of(name, spec, config, dataset, size) for size in spec.sizes]
    settings = {"likelihood": spec.likelihood.resolved()}
    report = Artifact(
        "report",
        spec.dataset,
        name,
        {"experiment": name, "spec": spec.identity(), "files": files_of_page(spec.sections)},
        {
            "dataset": (dataset,),
            "train": tuple(m.train for m in models if m.train is not None),
            "samples": tuple(shard for m in models for shard in m.shards),
            "likelihood": tuple(analysis_artifact("likelihood", spec, dataset, m, settings, {}) for m in models),
        },
    )
    return ExperimentPlan(name, report, spec, dataset, tuple(models))
