"""Experiments, and the whole configuration file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from .analyses import ANALYSES, AnalysisSpec, BasinSpec, CurvatureSpec, EnergySpec
from .base import Seed, Spec
from .circle import CircleSpec
from .datasets import CircleDataset, DatasetSpec, ImageDataset
from .diffusion import (
    DenoiserSpec,
    DiffusionSpec,
    ExactDenoiser,
    GivenSamples,
    PretrainedDenoiser,
    SamplingSpec,
    TrainingSpec,
)
from .measures import (
    Backbone,
    BorrowedThresholds,
    EstimatedThresholds,
    NeighborsSpec,
    OtherMetricSpec,
    PanelsSpec,
    PeersSpec,
    ThresholdsSpec,
    ValleyThresholds,
)
from .prompts import PromptsSpec
from .sizes import AnySizes, GridSpec


class ExperimentSpec(Spec):
    """A sweep: one dataset of images, one kind of model, several training-set sizes."""

    kind: Literal["images"] = "images"
    """The toy model on the circle is an experiment of kind 'circle'."""
    dataset: str
    """Name of a dataset of this file."""
    sizes: AnySizes
    """K, the training-set sizes, in images: a list, or a grid around the transition."""
    subset_seed: Seed = 3407
    """Seed of the one permutation whose prefixes are the training sets."""
    diffusion: DiffusionSpec = DiffusionSpec()
    denoiser: DenoiserSpec
    training: TrainingSpec = TrainingSpec()
    sampling: SamplingSpec = SamplingSpec()
    neighbors: NeighborsSpec = NeighborsSpec()
    thresholds: ThresholdsSpec = ValleyThresholds(method="valley")
    also: tuple[OtherMetricSpec, ...] = ()
    """Other metrics by which the same samples are sorted; analyses go by the first, that of neighbors."""
    panels: PanelsSpec = PanelsSpec()
    peers: PeersSpec | None = None
    """The field's other measures of copying; null for none."""
    basin: BasinSpec | None = BasinSpec()
    """Basins of attraction; null for none."""
    curvature: CurvatureSpec | None = CurvatureSpec()
    """Curvature of the energy; null for none."""
    energy: EnergySpec | None = EnergySpec()
    """Relative energy; null for none."""

    @property
    def first_sizes(self) -> tuple[int, ...]:
        """The sizes that are trained first: all of them, unless a sparse sweep has to find the others."""
        return self.sizes if isinstance(self.sizes, tuple) else self.sizes.known or self.sizes.doubling

    def identity(self) -> dict[str, Any]:
        """As for all specifications; measures that are not asked for decide nothing."""
        values = super().identity()
        if self.peers is None:
            del values["peers"]
        if not self.also:
            del values["also"]
        return values

    def with_sizes(self, sizes: tuple[int, ...]) -> ExperimentSpec:
        """The same experiment with its sizes spelled out."""
        return self.model_copy(update={"sizes": sizes})

    @property
    def open_grid(self) -> GridSpec | None:
        """The grid whose sizes a sparse sweep has to find, if any."""
        return self.sizes if isinstance(self.sizes, GridSpec) and self.sizes.known is None else None

    @property
    def sortings(self) -> tuple[tuple[NeighborsSpec, ThresholdsSpec], ...]:
        """How the samples are sorted: by which neighbours, and at which thresholds; the first decides."""
        others = ((self.neighbors.model_copy(update={"metric": o.metric}), o.thresholds) for o in self.also)
        return ((self.neighbors, self.thresholds), *others)

    @property
    def metrics(self) -> list[str]:
        """The metrics that it uses, each once."""
        sorting = (neighbors.metric for neighbors, _ in self.sortings)
        used = [*sorting, *(a.metric for a in self.analyses.values() if isinstance(a, BasinSpec))]
        return list(dict.fromkeys(used))

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the datasets that it uses."""
        return (self.dataset, self.denoiser.samples) if isinstance(self.denoiser, GivenSamples) else (self.dataset,)

    @property
    def trained_elsewhere(self) -> bool:
        """Whether its samples come from a training of others, who may have used all images."""
        return isinstance(self.denoiser, (PretrainedDenoiser, GivenSamples))

    @property
    def trained(self) -> bool:
        """Whether its models are trained here."""
        return not isinstance(self.denoiser, (ExactDenoiser, PretrainedDenoiser, GivenSamples))

    @property
    def analyses(self) -> dict[str, AnalysisSpec]:
        """The analyses that are asked for, by name."""
        if isinstance(self.denoiser, GivenSamples):
            return {}
        return {name: spec for name in ANALYSES if (spec := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _consistent(self) -> ExperimentSpec:
        steps = self.sampling.steps
        if steps is not None and steps > self.diffusion.steps:
            raise ValueError(f"sampling.steps {steps} exceeds diffusion.steps {self.diffusion.steps}")
        if self.panels.neighbors > self.neighbors.k:
            raise ValueError(f"panels.neighbors {self.panels.neighbors} exceeds neighbors.k {self.neighbors.k}")
        if self.peers is not None and self.peers.following >= self.neighbors.k:
            raise ValueError(f"peers.following {self.peers.following} must be less than neighbors.k {self.neighbors.k}")
        self._check_given()
        if isinstance(self.denoiser, (ExactDenoiser, PretrainedDenoiser)) and self.training != TrainingSpec():
            raise ValueError(f"training: the denoiser {self.denoiser.kind!r} is not trained; leave 'training' out")
        if isinstance(self.denoiser, PretrainedDenoiser) and self.open_grid is not None:
            raise ValueError("sizes: of models that are there give a list, or a grid's fall and plateau")
        named = [neighbors.metric for neighbors, _ in self.sortings]
        if len(set(named)) < len(named):
            raise ValueError(f"also: name other metrics than that of neighbors, each once; got {', '.join(named)}")
        for _, thresholds in self.sortings:
            if isinstance(thresholds, EstimatedThresholds) and self.neighbors.heldout_limit < 20:
                raise ValueError(
                    f"thresholds of method {thresholds.method!r} need neighbors.heldout_limit >= 20, "
                    f"got {self.neighbors.heldout_limit}"
                )
        if isinstance(basin := self.analyses.get("basin"), BasinSpec) and basin.delta == "delta_m":
            ours, theirs = basin.metric, self.neighbors.metric
            if "pixels" in (ours, theirs) and ours != theirs:
                raise ValueError(
                    f"basin.delta: 'delta_m' is a distance by neighbors.metric, {theirs!r}, but basin.metric is "
                    f"{ours!r}, whose units differ; give a number, as 0.1 for LPIPS"
                )
        for key, times in self._analysis_times():
            if max(times) >= self.diffusion.steps:
                raise ValueError(f"{key}: noise levels are numbered 0 to {self.diffusion.steps - 1}, got {max(times)}")
        return self

    def _check_given(self) -> None:
        """Samples of one's own have no model, hence no settings of one."""
        if not isinstance(self.denoiser, GivenSamples):
            return
        for key in ("diffusion", "training", "sampling", *ANALYSES):
            if getattr(self, key) not in (None, type(self).model_fields[key].default):
                raise ValueError(f"{key}: with samples of one's own ('kind: given') there is no model; leave it out")
        if not isinstance(self.sizes, tuple) or len(self.sizes) > 1:
            raise ValueError("sizes: samples of one's own come from one training set; give its size alone, as [50000]")

    def _analysis_times(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        if self.basin is not None:
            yield "basin.first", (self.basin.first,)
        if self.curvature is not None:
            yield "curvature.times", self.curvature.times
        if self.energy is not None:
            yield "energy.time", (self.energy.time,)


class RuntimeSpec(Spec):
    """Where and how fast: nothing here changes a result beyond float rounding, or any address."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto: cuda, else mps, else cpu."""
    compile: bool = False
    """torch.compile the network."""
    sampling_batch: Annotated[int, Field(ge=1)] = 512
    """Samples drawn together."""
    analysis_batch: Annotated[int, Field(ge=1)] = 4096
    """Images that pass a denoiser together in the analyses of the landscape."""
    latent_batch: Annotated[int, Field(ge=1)] = 16
    """Latents that pass a text-to-image model together, each with and without its prompt."""
    neighbor_memory_mb: Annotated[int, Field(ge=16)] = 1024
    """Memory that a neighbour search may use for its blocks, in MiB."""
    checkpoint_seconds: Annotated[float, Field(gt=0)] = 60
    """Interval between resumable states, in seconds."""
    progress_seconds: Annotated[float, Field(gt=0)] = 10
    """Interval between progress lines, in seconds."""


class ComparisonSpec(Spec):
    """Experiments set side by side: widths of a network (fig. 7-8), sizes of the synthetic set (fig. 9), tables 1-3."""

    experiments: tuple[str, ...]
    """Names of at least two experiments on images."""


RULES = {
    "all",
    "dataset",
    "metric",
    "train",
    "convert",
    "sample",
    "neighbors",
    "thresholds",
    "classify",
    "peers",
    "grid",
    *ANALYSES,
    "likelihood",
    "report",
    "comparison",
    "pipeline",
    "generate",
    "spectrum",
    "prompts",
}
"""Rules of the workflow; experiments, comparisons and prompts are rules beside them."""


def kind(value: Any) -> Any:
    """Kind of an experiment: 'images' unless it says otherwise."""
    return value.get("kind", "images") if isinstance(value, Mapping) else getattr(value, "kind", "images")


AnyExperiment = Annotated[
    Annotated[ExperimentSpec, Tag("images")] | Annotated[CircleSpec, Tag("circle")], Discriminator(kind)
]

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Config(Spec):
    """A whole configuration file."""

    datasets: dict[str, DatasetSpec] = Field(default={})
    """Datasets, by a name of one's choice."""
    experiments: dict[str, AnyExperiment] = Field(default={})
    """Experiments, by a name of one's choice; results/<name> is what people look at."""
    comparisons: dict[str, ComparisonSpec] = Field(default={})
    """Comparisons of experiments, by a name of one's choice; results/<name> is what people look at."""
    prompts: dict[str, PromptsSpec] = Field(default={})
    """Prompts to text-to-image models, by a name of one's choice; results/<name> is what people look at."""
    backbones: dict[Backbone, Path] = Field(default={})
    """Files with torchvision's weights of LPIPS's networks (.pth or .safetensors), in place of a download."""
    runtime: RuntimeSpec = RuntimeSpec()
    sources: dict[str, str] = Field(default={})
    """Digests of images, backbones and models of one's own; amdiff fills them in, people leave them out."""

    @model_validator(mode="after")
    def _names(self) -> Config:
        kinds = (
            ("dataset", self.datasets),
            ("experiment", self.experiments),
            ("comparison", self.comparisons),
            ("prompts", self.prompts),
        )
        for what, names in kinds:
            for name in names:
                if not NAME.fullmatch(name):
                    raise ValueError(f"{what} name {name!r}: use lower-case letters, digits, '-' and '_', at most 64")
        pages = (*self.experiments, *self.comparisons, *self.prompts)
        rules = RULES | {f"report_{name}" for name in pages}
        for what, names in kinds[1:]:
            if taken := sorted(rules & set(names)):
                raise ValueError(f"{what} name {taken[0]!r} is taken by a rule of the workflow; taken: {sorted(rules)}")
        for key, names in (("comparisons", self.comparisons), ("prompts", self.prompts)):
            for name in names:
                if pages.count(name) > 1 or name in self.datasets:
                    raise ValueError(f"{key}.{name}: the name belongs to another page or a dataset; choose another")
        for name, comparison in self.comparisons.items():
            self._check_comparison(name, comparison)
        if not self.experiments and not self.prompts:
            raise ValueError("experiments: name at least one, or prompts")
        for name, experiment in self.experiments.items():
            self._check_thresholds(name, experiment)
            if experiment.dataset not in self.datasets:
                known = ", ".join(self.datasets) or "none"
                raise ValueError(f"experiments.{name}.dataset: no dataset {experiment.dataset!r}; known: {known}")
            if isinstance(experiment.denoiser, PretrainedDenoiser) and not (
                experiment.denoiser.path or experiment.denoiser.hub
            ):
                raise ValueError(f"experiments.{name}.denoiser: say where the model is, by 'path' or by 'hub'")
            if isinstance(experiment.denoiser, GivenSamples):
                self._check_given(name, experiment.denoiser.samples)
            holds = "circle" if isinstance(self.datasets[experiment.dataset], CircleDataset) else "images"
            if holds != experiment.kind:
                raise ValueError(
                    f"experiments.{name}: an experiment of kind {experiment.kind!r} cannot use dataset "
                    f"{experiment.dataset!r}, which holds {'points' if holds == 'circle' else 'images'}"
                )
        return self

    def _check_comparison(self, name: str, comparison: ComparisonSpec) -> None:
        key, chosen = f"comparisons.{name}.experiments", comparison.experiments
        if len(set(chosen)) < 2 or len(set(chosen)) < len(chosen):
            raise ValueError(f"{key}: name at least two different experiments, got {list(chosen)}")
        for other in chosen:
            if not isinstance(self.experiments.get(other), ExperimentSpec):
                raise ValueError(f"{key}: got {other!r}; name experiments on images of this file")

    def _check_given(self, name: str, samples: str) -> None:
        """A synthetic set of one's own is a dataset of this file, whole."""
        key, dataset = f"experiments.{name}.denoiser.samples", self.datasets.get(samples)
        if not isinstance(dataset, ImageDataset):
            raise ValueError(f"{key}: got {samples!r}; name a dataset of images of this file")
        if dataset.deduplicate:
            raise ValueError(f"{key}: set 'deduplicate: false' for {samples!r}; samples that come twice count twice")

    def _check_thresholds(self, name: str, experiment: AnyExperiment) -> None:
        """Thresholds of another experiment: it is there, has its own, and compares by the same metric."""
        if not isinstance(experiment, ExperimentSpec) or not isinstance(experiment.thresholds, BorrowedThresholds):
            return
        key, other = f"experiments.{name}.thresholds.experiment", experiment.thresholds.experiment
        lender = self.experiments.get(other)
        if not isinstance(lender, ExperimentSpec):
            raise ValueError(f"{key}: got {other!r}; name an experiment on images of this file")
        if isinstance(lender.thresholds, BorrowedThresholds):
            raise ValueError(f"{key}: {other!r} takes its thresholds from another experiment itself; name that one")
        if lender.open_grid is not None:
            raise ValueError(f"{key}: {other!r} has sizes that are still to be found; give their fall and plateau")
        if lender.neighbors.metric != experiment.neighbors.metric:
            raise ValueError(
                f"{key}: {other!r} compares by {lender.neighbors.metric!r}, this experiment by "
                f"{experiment.neighbors.metric!r}"
            )
