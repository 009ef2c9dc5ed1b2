"""What a plan is made of: the model of each training-set size, and the pages that people look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from amdiff.artifacts import Artifact
from amdiff.catalogue import FORMATS, SECTIONS
from amdiff.config import ConfigError, Sweep


@dataclass(frozen=True)
class ModelPlan:
    """The model of one training-set size, and its samples."""

    size: int
    """Training-set size K."""
    samples: int
    """Size of the synthetic set; 0 if the user gave it."""
    train: Artifact | None
    """The training; None if the model is not trained here."""
    shards: tuple[Artifact, ...]
    """The parts of the synthetic set."""
    convert: Artifact | None = None
    """The conversion of a pretrained model, in place of a training. Default None."""

    @property
    def iterations(self) -> int:
        """Number of optimizer steps; 0 without a training."""
        return self.train.params["training"]["iterations"] if self.train else 0

    @property
    def weights(self) -> Artifact:
        """The artifact that holds the model or, for a closed-form denoiser, determines it."""
        return self.train or self.convert or self.shards[0]

    @property
    def origin(self) -> dict[str, tuple[Artifact, ...]]:
        """The artifacts that hold the model, by role; empty for a closed-form denoiser."""
        return roles(train=self.train, convert=self.convert)


def roles(**artifacts: Artifact | None) -> dict[str, tuple[Artifact, ...]]:
    """The given artifacts by role, without those that are None."""
    return {role: (artifact,) for role, artifact in artifacts.items() if artifact is not None}


def files_of_page(sections: Iterable[str]) -> list[str]:
    """Names of the files of a page with these sections.

    They are part of its address. So pages are made again when a figure or a table is added to one of their sections.
    """
    found = [SECTIONS[name] for name in sections]
    drawn = [f"figures/{f.name}.{suffix}" for s in found for f in s.figures for suffix in FORMATS]
    return ["report.html", *drawn, *(f"tables/{t.name}" for s in found for t in s.tables)]


@dataclass(frozen=True)
class PagePlan:
    """A page that people look at."""

    name: str
    """Its name, which stays the same when its content changes."""
    report: Artifact
    """The artifact that holds its content."""

    @property
    def sections(self) -> tuple[str, ...]:
        """Names of the sections that the page consists of."""
        return (self.report.stage,)

    @property
    def results(self) -> Path:
        """Folder where the page is published, relative to the project's root."""
        return Path("results") / self.name

    @property
    def stamp(self) -> Path:
        """Small file that tells which report the results folder holds. Publication removes other stamps."""
        return self.results / f".address-{self.report.address}"

    @property
    def files(self) -> list[str]:
        """Names of the files of the report."""
        return self.report.files

    @property
    def published(self) -> list[Path]:
        """The stamp and the published files. If one is missing, all are published again."""
        return [self.stamp, *(self.results / name for name in self.files)]

    def artifacts(self) -> Iterator[Artifact]:
        """Every artifact that the page is made from and its report, each once, parents first."""
        yield from self.report.ancestors()
        yield self.report


@dataclass(frozen=True)
class ExperimentPlan(PagePlan):
    """The plan of an experiment, a sweep over training-set sizes."""

    spec: Sweep
    """What the configuration asks for."""
    dataset: Artifact
    """Its dataset."""
    models: tuple[ModelPlan, ...]
    """A model for each size."""
    grid: Artifact | None = None
    """The artifact that finds the sizes by a sparse sweep; None if they are given. Default None."""
    thresholds: tuple[Artifact, ...] = ()
    """Thresholds of each model, in the order of the models. Default none."""

    @property
    def settled(self) -> bool:
        """Whether all sizes are known. If not, ``models`` are those of the sparse sweep."""
        return self.grid is None or bool(self.report.derived)

    @property
    def sections(self) -> tuple[str, ...]:
        return self.spec.sections

    def lends(self, size: int) -> Artifact:
        """Thresholds for another experiment that borrows them for K = ``size``.

        They are those of the same K, or those of the whole sweep if all K share them. Raises ``ConfigError`` if there
        are none.
        """
        own = {model.size: found for model, found in zip(self.models, self.thresholds, strict=True)}
        if size not in own and not self.spec.ways[0].shared:
            raise ConfigError(
                f"experiments.{self.name} has thresholds only for its own K, {', '.join(map(str, own))}, and none for "
                f"K = {size}; give both experiments the same sizes"
            )
        return own.get(size, self.thresholds[0])
