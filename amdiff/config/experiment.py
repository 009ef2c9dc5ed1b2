"""Experiments on images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag, model_validator

from .analyses import ANALYSES, AnalysisSpec, BasinSpec, CurvatureSpec, EnergySpec
from .base import Seed, Spec
from .circle import CircleSpec
from .datasets import DatasetSpec
from .denoisers import DenoiserSpec, ExactDenoiser, GivenSamples, PretrainedDenoiser
from .diffusion import DiffusionSpec, SamplingSpec, TrainingSpec
from .measures import (
    LEAST_HELDOUT,
    EstimatedThresholds,
    NeighborsSpec,
    OtherMetricSpec,
    PanelsSpec,
    PeersSpec,
    ThresholdsSpec,
    ValleyThresholds,
)
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

    def stands_in(self, dataset: DatasetSpec) -> bool:
        """Whether training images may stand for held-out ones, where there are none of its ``dataset``."""
        return self.trained_elsewhere and not dataset.has_test

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
            if isinstance(thresholds, EstimatedThresholds) and self.neighbors.heldout_limit < LEAST_HELDOUT:
                raise ValueError(
                    f"thresholds of method {thresholds.method!r} need neighbors.heldout_limit >= {LEAST_HELDOUT}, "
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


def kind(value: Any) -> Any:
    """Kind of an experiment: 'images' unless it says otherwise."""
    return value.get("kind", "images") if isinstance(value, Mapping) else getattr(value, "kind", "images")


AnyExperiment = Annotated[
    Annotated[ExperimentSpec, Tag("images")] | Annotated[CircleSpec, Tag("circle")], Discriminator(kind)
]
