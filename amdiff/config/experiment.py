"""Experiments on images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from .analyses import ANALYSES, Analyses, AnalysisSpec
from .base import Local, Seed, Spec
from .circle import CircleSpec
from .datasets import DatasetSpec
from .denoisers import DenoiserSpec, GivenSamples
from .diffusion import DiffusionSpec
from .losses import LossesSpec
from .neighbors import NeighborsSpec, OtherMetricSpec, PanelsSpec, PeersSpec
from .replicates import ReplicatesSpec
from .sampling import SamplingSpec
from .sizes import AnySizes, GridSpec, Size
from .sweep import Sweep
from .thresholds import LEAST_HELDOUT, ThresholdsBase, ThresholdsSpec, ValleyThresholds
from .training import TrainingSpec


class OrderFile(Spec):
    """An order of the training images that the user gives."""

    file: Annotated[Path | None, Local] = None
    """File of row numbers of the dataset, from 0: an .npy file of integers, or text with one number on each line."""
    digest: str | None = None
    """Digest of the file, which is found if it is left out."""

    @model_validator(mode="after")
    def _known(self) -> OrderFile:
        if self.file is None and self.digest is None:
            raise ValueError("give 'file', a file of row numbers")
        return self


Order = Annotated[
    Annotated[Literal["numpy", "torch"], Tag("name")] | Annotated[OrderFile, Tag("file")],
    Discriminator(lambda value: "file" if isinstance(value, (Mapping, OrderFile)) else "name"),
]
"""An order of the training images: by its name, or from a file."""


class ExperimentSpec(Analyses, Sweep):
    """A sweep over training-set sizes, with one dataset of images and one kind of model."""

    kind: Literal["images"] = "images"
    """'images', or left out. The toy model on the circle is an experiment of kind 'circle'."""
    dataset: str
    """Name of a dataset that this file defines."""
    sizes: AnySizes
    """K, the training-set sizes, in images: a list, or a grid around the transition."""
    subset_seed: Seed = 3407
    """Seed of the permutation. Each training set is a prefix of it."""
    subset_order: Order = "numpy"
    """The permutation itself: by numpy, by ``torch.randperm`` after ``torch.manual_seed``, or a file of row numbers.

    Models that others trained on subsets need the order of their authors. With a wrong one, S is another set of images,
    and copies look new.
    """
    diffusion: DiffusionSpec = DiffusionSpec()
    denoiser: DenoiserSpec
    training: TrainingSpec = TrainingSpec()
    sampling: SamplingSpec = SamplingSpec()
    neighbors: NeighborsSpec = NeighborsSpec()
    thresholds: ThresholdsSpec = ValleyThresholds(method="valley")
    rarefy: Annotated[int, Field(ge=1)] | None = 4
    """The shares are those of a synthetic set of this many samples per training image, also if there are more samples.
    Shares of different K can be compared only so. null: the shares are those of all samples, as for given samples."""
    also: tuple[OtherMetricSpec, ...] = ()
    """Other metrics by which the same samples are sorted into classes. The analyses use the classes by the metric of
    neighbors."""
    panels: PanelsSpec = PanelsSpec()
    peers: PeersSpec | None = None
    """Other measures of copying from the literature; null for none."""
    twins: tuple[Size, ...] = ()
    """K at which a second model learns from the K images that follow S in the permutation, with the same noise.

    It tells how many samples are near to another one by coincidence, and how far two models of different images agree.
    """
    replicates: ReplicatesSpec | None = None
    """Further runs of the whole sweep, with other trainings and other draws of S; null for one run."""
    losses: LossesSpec | None = LossesSpec()
    """Losses on training images and on held-out ones, by noise level; null for none."""
    holds: ClassVar[str] = "images"

    @property
    def first_sizes(self) -> tuple[int, ...]:
        """The sizes that are trained first. They are all sizes, unless a sparse sweep has to find the others."""
        return self.sizes if isinstance(self.sizes, tuple) else self.sizes.known or self.sizes.doubling

    @property
    def sections(self) -> tuple[str, ...]:
        further = [name for name in ("replicates", "snapshots", "twins", "also", "peers") if getattr(self, name)]
        if self.losses_of_models is not None:
            further.append("losses")
        return ("phases", *further, *self.analyses, *(("training",) if self.trained else ()))

    def idle(self) -> set[str]:
        """Measures that are left out have no effect; samples of one given set are not compared with another K."""
        unused = {name for name in ("peers", "also", "twins", "replicates") if not getattr(self, name)}
        unused |= {"subset_order"} if self.subset_order == "numpy" else set()
        unused |= set() if self.denoiser.modelled else {"rarefy", "losses"}
        return super().idle() | unused | ({"rarefy"} if self.rarefy is None else set())

    @property
    def subset(self) -> dict[str, Any]:
        own = super().subset
        if isinstance(self.subset_order, OrderFile):
            return {**own, "subset_order": self.subset_order.digest}
        return own if self.subset_order == "numpy" else {**own, "subset_order": self.subset_order}

    @property
    def snapshots(self) -> bool:
        """Whether its models are also looked at during training."""
        return self.trained and bool(self.training.snapshots)

    def replicate(self, number: int) -> ExperimentSpec:
        """The sweep of run ``number``, from 0, with its own draw and its own seeds, by the first metric alone."""
        assert self.replicates is not None
        draw = number // self.replicates.seeds
        return self.model_copy(
            update={
                "subset_seed": self.subset_seed + draw,
                "training": self.training.model_copy(update={"seed": self.training.seed + number, "snapshots": ()}),
                "sampling": self.sampling.model_copy(update={"seed": self.sampling.seed + number}),
                "also": (),
            }
        )

    @property
    def losses_of_models(self) -> LossesSpec | None:
        """The losses to measure; None for given samples, which have no model."""
        return self.losses if self.denoiser.modelled else None

    @property
    def set_per_image(self) -> int | None:
        """Number of samples per training image of the set that the shares are for; None: all samples."""
        return self.rarefy if self.denoiser.modelled else None

    @property
    def open_grid(self) -> GridSpec | None:
        """The grid whose sizes a sparse sweep has to find, if any."""
        return self.sizes if isinstance(self.sizes, GridSpec) and self.sizes.known is None else None

    @property
    def sortings(self) -> tuple[tuple[NeighborsSpec, ThresholdsSpec], ...]:
        """The neighbours and the thresholds by which the samples are sorted. The analyses use the first pair."""
        others = ((self.neighbors.model_copy(update={"metric": o.metric}), o.thresholds) for o in self.also)
        return ((self.neighbors, self.thresholds), *others)

    @property
    def ways(self) -> tuple[ThresholdsBase, ...]:
        return tuple(thresholds for _, thresholds in self.sortings)

    @property
    def metrics(self) -> list[str]:
        sorting = [neighbors.metric for neighbors, _ in self.sortings]
        compared = (analysis.compares_by for analysis in self.analyses.values())
        return list(dict.fromkeys([*sorting, *(metric for metric in compared if metric)]))

    @property
    def datasets(self) -> tuple[str, ...]:
        return (self.dataset, self.denoiser.samples) if isinstance(self.denoiser, GivenSamples) else (self.dataset,)

    def stands_in(self, dataset: DatasetSpec) -> bool:
        """Whether training images may stand in for held-out ones, because its ``dataset`` has none."""
        return self.denoiser.elsewhere and not dataset.has_test

    @property
    def analyses(self) -> dict[str, AnalysisSpec]:
        """The analyses that are asked for, by name."""
        if not self.denoiser.modelled:
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
        if not self.denoiser.modelled:
            self._check_without_model()
        self._check_models_of_own()
        if self.denoiser.elsewhere and self.open_grid is not None:
            raise ValueError("sizes: for models that exist already, give a list, or the fall and plateau of a grid")
        named = [neighbors.metric for neighbors, _ in self.sortings]
        if len(set(named)) < len(named):
            raise ValueError(f"also: name each metric once, and not the metric of neighbors; got {', '.join(named)}")
        for thresholds in self.ways:
            if thresholds.estimated and self.neighbors.heldout_limit < LEAST_HELDOUT:
                raise ValueError(
                    f"thresholds of method {thresholds.method!r} need neighbors.heldout_limit >= "
                    f"{LEAST_HELDOUT}, got {self.neighbors.heldout_limit}"
                )
        for name, analysis in self.analyses.items():
            if problem := analysis.problem(self.neighbors):
                raise ValueError(f"{name}.{problem}")
        for name in ANALYSES:
            self._check_levels(name, getattr(self, name))
        return self

    def _check_models_of_own(self) -> None:
        """Refuse twins and replicates where no further model can be made."""
        made = self.trained or getattr(self.denoiser, "memories", None) == "train"
        for key in ("twins", "replicates"):
            if getattr(self, key) and not made:
                raise ValueError(f"{key}: they need a model that depends on its training set and is made here")
            if getattr(self, key) and not isinstance(self.sizes, tuple):
                raise ValueError(f"{key}: give the sizes as a list")
        if self.replicates and self.replicates.subsets > 1 and isinstance(self.subset_order, OrderFile):
            raise ValueError("replicates.subsets: a file gives one order of the images; set it to 1")
        if self.replicates and self.replicates.seeds > 1 and not self.trained:
            raise ValueError("replicates.seeds: this denoiser is not trained; set it to 1")
        if isinstance(self.sizes, tuple) and (others := sorted(set(self.twins) - set(self.sizes))):
            raise ValueError(f"twins: {', '.join(map(str, others))} are not among the sizes")

    def _check_without_model(self) -> None:
        """Refuse the settings of a model, because given samples have none."""
        for key in ("diffusion", "training", "sampling", "losses", *ANALYSES):
            if getattr(self, key) not in (None, type(self).model_fields[key].default):
                raise ValueError(f"{key}: given samples ('kind: given') have no model; leave this key out")
        if not isinstance(self.sizes, tuple) or len(self.sizes) > 1:
            raise ValueError("sizes: given samples belong to one training set; give only its size, for example [50000]")

    def _check_levels(self, name: str, analysis: AnalysisSpec | None) -> None:
        for key, levels in analysis.levels.items() if analysis is not None else ():
            if max(levels) >= self.diffusion.steps:
                raise ValueError(
                    f"{name}.{key}: noise levels are numbered 0 to {self.diffusion.steps - 1}, got {max(levels)}"
                )


def kind(value: Any) -> Any:
    """The kind of an experiment; 'images' if it states none."""
    return value.get("kind", "images") if isinstance(value, Mapping) else getattr(value, "kind", "images")


AnyExperiment = Annotated[
    Annotated[ExperimentSpec, Tag("images")] | Annotated[CircleSpec, Tag("circle")], Discriminator(kind)
]
