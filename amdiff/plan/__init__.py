"""Plans every artifact that a configuration asks for.

Planning reads and writes no files, and the package is quick to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from amdiff.artifacts import Artifact
from amdiff.config import CircleSpec, Config, ConfigError

from .circle import circle_experiment
from .common import dataset_artifact, model_source, order_source, wants_gpu
from .images import image_experiment
from .pages import ExperimentPlan, ModelPlan, PagePlan, files_of_page
from .prompts import image_source, pipeline_source, prompts_page

__all__ = [
    "ExperimentPlan",
    "ModelPlan",
    "PagePlan",
    "Plan",
    "build_plan",
    "dataset_artifact",
    "image_source",
    "model_source",
    "order_source",
    "pipeline_source",
    "wants_gpu",
]


@dataclass(frozen=True)
class Plan:
    """The artifacts of a configuration, in the pages that people look at."""

    config: Config
    """The configuration."""
    experiments: tuple[ExperimentPlan, ...]
    """Its experiments."""
    comparisons: tuple[PagePlan, ...] = ()
    """Its comparisons of experiments. Default none."""
    prompts: tuple[PagePlan, ...] = ()
    """Its pages of prompts to a text-to-image model. Default none."""
    notes: tuple[str, ...] = ()
    """Notes for the user before a run, such as settings that are allowed but rarely wise. Default none."""
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Shape of each dataset that was looked at: (C, H, W) for images, (2,) for points. Default none."""

    @property
    def pages(self) -> tuple[PagePlan, ...]:
        """All pages that are published: experiments, comparisons and prompts."""
        return (*self.experiments, *self.comparisons, *self.prompts)

    @cached_property
    def by_folder(self) -> dict[str, Artifact]:
        """Every artifact, by its folder relative to the project's root."""
        return {a.folder.as_posix(): a for page in self.pages for a in page.artifacts()}

    @cached_property
    def datasets(self) -> dict[str, Artifact]:
        """The built-in datasets by folder, including those that no experiment uses. They can be made by name."""
        built_in = [name for name, spec in self.config.datasets.items() if not spec.has_own_source]
        return {a.folder.as_posix(): a for a in (dataset_artifact(self.config, name) for name in built_in)}

    def experiment(self, name: str) -> ExperimentPlan:
        """The experiment of that name. Raises ``ConfigError`` if there is none."""
        for experiment in self.experiments:
            if experiment.name == name:
                return experiment
        known = ", ".join(e.name for e in self.experiments)
        raise ConfigError(f"no experiment {name!r} in this configuration; known: {known}")

    def page(self, name: str) -> PagePlan:
        """The experiment, comparison or prompts of that name. Raises ``ConfigError`` if there is none."""
        for page in (*self.comparisons, *self.prompts):
            if page.name == name:
                return page
        return self.experiment(name)

    def artifact(self, folder: str) -> Artifact:
        """The artifact in a folder, given by the path of the folder or of its ``spec.json``.

        Raises ``ConfigError`` if the plan has no such artifact.
        """
        key = Path(folder).as_posix().removesuffix("/spec.json")
        found = self.by_folder.get(key) or self.datasets.get(key)
        if found is None:
            raise ConfigError(
                f"{key} is no artifact of this configuration; `amdiff plan` lists those that are "
                "(the configuration or the data behind it changed since that name was made)"
            )
        return found


def build_plan(config: Config, grids: Mapping[str, tuple[int, ...]] | None = None) -> Plan:
    """Plan every artifact of a configuration.

    ``grids`` are the sizes that sparse sweeps have found, by experiment. If those of an experiment are missing, its
    plan ends at the sparse sweep. Raises ``ConfigError`` if the digest of a source is not known.
    """
    plans: dict[str, ExperimentPlan] = {}
    for name, spec in sorted(config.experiments.items(), key=lambda item: item[1].lender is not None):
        dataset = dataset_artifact(config, spec.dataset)
        if isinstance(spec, CircleSpec):
            plans[name] = circle_experiment(name, spec, config, dataset)
        else:
            lender = None if spec.lender is None else plans[spec.lender]
            plans[name] = image_experiment(name, spec, config, dataset, lender, (grids or {}).get(name))
    comparisons = tuple(
        PagePlan(name, _comparison(name, [plans[other] for other in spec.experiments]))
        for name, spec in config.comparisons.items()
    )
    prompts = tuple(prompts_page(name, spec, config) for name, spec in config.prompts.items())
    return Plan(config, tuple(plans[name] for name in config.experiments), comparisons, prompts)


def _comparison(name: str, sides: list[ExperimentPlan]) -> Artifact:
    """The page that compares some experiments."""
    datasets = {side.dataset.folder: side.dataset for side in sides}
    first = {a.folder: a for side in sides if (a := side.models[0].convert)}  # they tell the number of parameters
    converted = {"convert": tuple(first.values())} if first else {}
    return Artifact(
        "comparison",
        name,
        "",
        {
            "comparison": name,
            "experiments": [side.name for side in sides],
            "files": files_of_page(["comparison"]),
        },
        {"reports": tuple(side.report for side in sides), "datasets": tuple(datasets.values()), **converted},
    )
