"""Experiments, and the whole configuration file."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from .base import Seed, Spec
from .datasets import CircleDataset, DatasetSpec
from .diffusion import DenoiserSpec, DiffusionSpec, ExactDenoiser, SamplingSpec, TrainingSpec
from .measures import FixedThresholds, NeighborsSpec, PanelsSpec, ThresholdsSpec, ValleyThresholds


class ExperimentSpec(Spec):
    """A sweep: one dataset, one kind of model, several training-set sizes."""

    dataset: str
    """Name of a dataset of this file."""
    sizes: tuple[Annotated[int, Field(ge=1)], ...]
    """K, the training-set sizes, in images."""
    subset_seed: Seed = 3407
    """Seed of the one permutation whose prefixes are the training sets."""
    diffusion: DiffusionSpec = DiffusionSpec()
    denoiser: DenoiserSpec
    training: TrainingSpec = TrainingSpec()
    sampling: SamplingSpec = SamplingSpec()
    neighbors: NeighborsSpec = NeighborsSpec()
    thresholds: ThresholdsSpec = ValleyThresholds(method="valley")
    panels: PanelsSpec = PanelsSpec()

    @field_validator("sizes")
    @classmethod
    def _distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value:
            raise ValueError("sizes must name at least one K")
        if len(set(value)) != len(value):
            raise ValueError(f"sizes must be distinct, got {list(value)}")
        return tuple(sorted(value))

    @model_validator(mode="after")
    def _consistent(self) -> ExperimentSpec:
        steps = self.sampling.steps
        if steps is not None and steps > self.diffusion.steps:
            raise ValueError(f"sampling.steps {steps} exceeds diffusion.steps {self.diffusion.steps}")
        if self.panels.neighbors > self.neighbors.k:
            raise ValueError(f"panels.neighbors {self.panels.neighbors} exceeds neighbors.k {self.neighbors.k}")
        if isinstance(self.denoiser, ExactDenoiser) and self.training != TrainingSpec():
            raise ValueError("training: the closed-form denoiser 'exact' is not trained; leave 'training' out")
        if not isinstance(self.thresholds, FixedThresholds) and self.neighbors.heldout_limit < 20:
            raise ValueError(
                f"thresholds of method {self.thresholds.method!r} need neighbors.heldout_limit >= 20, "
                f"got {self.neighbors.heldout_limit}"
            )
        return self


class RuntimeSpec(Spec):
    """Where and how fast: nothing here changes a result beyond float rounding, or any address."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto: cuda, else mps, else cpu."""
    compile: bool = False
    """torch.compile the network."""
    sampling_batch: Annotated[int, Field(ge=1)] = 512
    """Samples drawn together."""
    neighbor_memory_mb: Annotated[int, Field(ge=16)] = 1024
    """Memory that a neighbour search may use for its blocks, in MiB."""
    checkpoint_seconds: Annotated[float, Field(gt=0)] = 60
    """Interval between resumable states, in seconds."""
    progress_seconds: Annotated[float, Field(gt=0)] = 10
    """Interval between progress lines, in seconds."""


RULES = {"all", "dataset", "train", "sample", "neighbors", "thresholds", "classify", "report"}
"""Rules of the workflow; experiments are rules beside them."""
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Config(Spec):
    """A whole configuration file."""

    datasets: dict[str, DatasetSpec]
    """Datasets, by a name of one's choice."""
    experiments: dict[str, ExperimentSpec]
    """Experiments, by a name of one's choice; results/<name> is what people look at."""
    runtime: RuntimeSpec = RuntimeSpec()
    sources: dict[str, str] = Field(default={})
    """Digests of 'folder' and 'arrays' sources; amdiff fills them in, people leave them out."""

    @model_validator(mode="after")
    def _names(self) -> Config:
        for what, names in (("dataset", self.datasets), ("experiment", self.experiments)):
            for name in names:
                if not NAME.fullmatch(name):
                    raise ValueError(f"{what} name {name!r}: use lower-case letters, digits, '-' and '_', at most 64")
        taken = sorted(RULES & set(self.experiments))
        if taken:
            raise ValueError(f"experiment name {taken[0]!r} is taken by a rule of the workflow; taken: {sorted(RULES)}")
        if not self.experiments:
            raise ValueError("experiments: name at least one")
        for name, experiment in self.experiments.items():
            if experiment.dataset not in self.datasets:
                known = ", ".join(self.datasets) or "none"
                raise ValueError(f"experiments.{name}.dataset: no dataset {experiment.dataset!r}; known: {known}")
            if isinstance(self.datasets[experiment.dataset], CircleDataset):
                raise ValueError(f"experiments.{name}.dataset: {experiment.dataset!r} holds points, not images")
        return self
