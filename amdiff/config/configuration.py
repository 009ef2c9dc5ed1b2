"""The whole configuration file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from amdiff.catalogue import STAGES
from amdiff.catalogue.metrics import Backbone

from .base import Spec
from .datasets import DatasetSpec
from .denoisers import GivenSamples, PretrainedDenoiser
from .experiment import AnyExperiment, ExperimentSpec
from .image_datasets import ImageDataset
from .prompts import PromptsSpec


class RuntimeSpec(Spec):
    """Where and how fast things run. Nothing here changes an address, or a result by more than float rounding."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """'auto' takes cuda if there is one, else mps, else cpu."""
    compile: bool | Literal["auto"] = "auto"
    """Compile networks with torch.compile. 'auto' compiles convolutional networks on CUDA, where it pays."""
    graphs: bool = True
    """On CUDA, replay training steps and evaluations of networks as CUDA graphs."""
    jobs_per_device: Annotated[int, Field(ge=1, le=64)] = 1
    """Number of jobs that may compute on one GPU at the same time, which pays for small networks. Tell Snakemake so
    many GPUs more: with 2 jobs on each of 4 GPUs, ``--resources gpu=8``."""
    sampling_batch: Annotated[int, Field(ge=1)] = 512
    """Number of samples that are drawn together."""
    analysis_batch: Annotated[int, Field(ge=1)] = 4096
    """Number of images that pass a denoiser together in the analyses of the landscape."""
    latent_batch: Annotated[int, Field(ge=1)] = 16
    """Number of latents that pass a text-to-image model together. Each one passes with and without its prompt."""
    neighbor_memory_mb: Annotated[int, Field(ge=16)] = 1024
    """Memory that a neighbour search may use for its blocks, in MiB."""
    features_gib: Annotated[float, Field(ge=0)] = 8.0
    """Disk space in scratch for the features of images that later stages use again, in GiB. A job that compares images
    by a network needs room for its own features besides, while it runs."""
    checkpoint_seconds: Annotated[float, Field(gt=0)] = 60
    """Interval between the saved states from which a job can resume, in seconds."""
    progress_seconds: Annotated[float, Field(gt=0)] = 10
    """Interval between progress lines, in seconds."""


class ComparisonSpec(Spec):
    """A comparison of experiments: network widths (fig. 7-8), sizes of the synthetic set (fig. 9), or tables 1-3."""

    experiments: tuple[str, ...]
    """Names of at least two experiments on images."""


NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

RULES = {"all", *STAGES}
"""The workflow's own rules. Each entry of experiments, comparisons and prompts has a rule of its name beside them."""


class Config(Spec):
    """A whole configuration file."""

    datasets: dict[str, DatasetSpec] = Field(default={})
    """Datasets, each under a name that you choose."""
    experiments: dict[str, AnyExperiment] = Field(default={})
    """Experiments, each under a name that you choose. The report of an experiment is in results/<name>."""
    comparisons: dict[str, ComparisonSpec] = Field(default={})
    """Comparisons of experiments, each under a name that you choose. The page of a comparison is in results/<name>."""
    prompts: dict[str, PromptsSpec] = Field(default={})
    """Prompts to text-to-image models, each set under a name that you choose. The page of a set is in
    results/<name>."""
    backbones: dict[Backbone, Path] = Field(default={})
    """Files with torchvision's weights of the LPIPS networks (.pth or .safetensors). Without a file, they are
    downloaded."""
    runtime: RuntimeSpec = RuntimeSpec()
    sources: dict[str, str] = Field(default={})
    """Digests of your own images, backbones and models. Leave this key out: amdiff fills it in."""

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
                    raise ValueError(f"{what} name {name!r}: use at most 64 lower-case letters, digits, '-' and '_'")
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
            raise ValueError("experiments: name at least one experiment, or a set of prompts")
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
            if (holds := self.datasets[experiment.dataset].holds) != experiment.holds:
                raise ValueError(
                    f"experiments.{name}: an experiment of kind {experiment.kind!r} cannot use dataset "
                    f"{experiment.dataset!r}, which holds {holds}"
                )
        return self

    def _check_comparison(self, name: str, comparison: ComparisonSpec) -> None:
        key, chosen = f"comparisons.{name}.experiments", comparison.experiments
        if len(set(chosen)) < 2 or len(set(chosen)) < len(chosen):
            raise ValueError(f"{key}: name at least two different experiments, got {list(chosen)}")
        for other in chosen:
            if not isinstance(self.experiments.get(other), ExperimentSpec):
                raise ValueError(f"{key}: got {other!r}; name only experiments on images that this file defines")

    def _check_given(self, name: str, samples: str) -> None:
        """Check that given samples are a dataset of images that this file defines, without deduplication."""
        key, dataset = f"experiments.{name}.denoiser.samples", self.datasets.get(samples)
        if not isinstance(dataset, ImageDataset):
            raise ValueError(f"{key}: got {samples!r}; name a dataset of images that this file defines")
        if dataset.deduplicate:
            raise ValueError(f"{key}: set 'deduplicate: false' for {samples!r}; repeated samples must all count")

    def _check_thresholds(self, name: str, experiment: AnyExperiment) -> None:
        """Check that the experiment that lends thresholds exists, finds its own, and compares by the same metric."""
        if not isinstance(experiment, ExperimentSpec) or (other := experiment.lender) is None:
            return
        key, lender = f"experiments.{name}.thresholds.experiment", self.experiments.get(other)
        if not isinstance(lender, ExperimentSpec):
            raise ValueError(f"{key}: got {other!r}; name an experiment on images that this file defines")
        if lender.lender is not None:
            raise ValueError(f"{key}: {other!r} takes its thresholds from another experiment itself; name that one")
        if lender.open_grid is not None:
            raise ValueError(f"{key}: {other!r} has sizes that are still to be found; give its fall and plateau")
        if lender.neighbors.metric != experiment.neighbors.metric:
            raise ValueError(
                f"{key}: {other!r} compares by {lender.neighbors.metric!r}, this experiment by "
                f"{experiment.neighbors.metric!r}"
            )
