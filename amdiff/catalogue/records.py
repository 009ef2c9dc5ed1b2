"""The types of the records: of a stage, of a figure, of a table, and of a section of a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Params = Mapping[str, Any]
"""Parameters of an artifact."""

Passes = Callable[[Params, int, int], float]
"""A function that returns the largest number of forward passes that an artifact takes.

Its arguments are the parameters of the artifact, the number of samples that it reads, and the number of values of an
image.
"""

FORMATS = ("svg", "png", "pdf")
"""Formats in which every figure is saved; also the suffixes of its files."""

DAY = 1440
"""A day, in minutes."""


@dataclass(frozen=True)
class Stage:
    """A stage makes artifacts of one kind.

    The function ``<name>`` of the module ``amdiff.stages.<name>`` makes them. It is imported only when it is needed. A
    rule of the workflow has the same name. A stage of pages has one rule for each page instead, ``report_<page>``.
    """

    name: str
    version: int
    """Version of the meaning of its results. Raise it when the meaning changes."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Its files, by what they hold. It is empty for a page, whose files depend on its sections."""
    memory_mb: int = 4000
    """Memory that the first attempt asks for, in MiB."""
    minutes: int = 60
    """Time that the first attempt asks for, in minutes."""
    gpu: Literal["no", "network", "yes"] = "no"
    """Whether a GPU helps it. 'network' means that it helps if the denoiser is a network, not a closed form."""
    local: bool = False
    """Whether it runs on the machine where snakemake runs, so that it can download. Nodes of a cluster often cannot."""
    searches: bool = False
    """Whether it searches among images. Its memory then follows ``runtime.neighbor_memory_mb``, and its time the number
    of pairs."""
    rereads: tuple[str, ...] = ()
    """Sets of images behind its table of neighbours that it searches once more: 'samples', 'train', 'heldout'. The
    stage of the table leaves their vectors for it."""
    page: bool = False
    """Whether it makes a page. Pages are published."""
    decides: bool = False
    """Whether its result decides which jobs follow. It is then a checkpoint of Snakemake."""
    work: Literal["training", "sampling", "analyses", "comparisons"] = "comparisons"
    """The heading under which a plan counts its time."""
    passes: Passes | None = None
    """Counts the forward passes of its network. None if it runs no network of an experiment."""
    double: bool = False
    """Whether its network runs in float64."""
    seconds: float = 0.0
    """Approximate time that it takes beside passes and searches, in seconds."""


@dataclass(frozen=True)
class Figure:
    """A figure of a page. The function ``<name>`` of the module ``amdiff.figures.<section>`` draws it."""

    name: str
    group: str
    """The heading under which it stands."""
    title: str
    caption: str
    """What it shows, and what that means. These are two lines of reStructuredText, each of at least one sentence. The
    only role is ``:math:``."""
    paper: str = ""
    """Its number in the paper, if it has one there."""
    raster: bool = False
    """Whether it consists of images. The page then holds it as a PNG, because an SVG would be larger."""
    narrow: bool = False
    """Whether it is one column wide."""
    first: bool = False
    """Whether it may stand on the first screen of a page. The first such figure of a page does."""


@dataclass(frozen=True)
class Table:
    """A table of a page."""

    name: str
    """Name of its file, with the suffix."""
    paper: str = ""
    """Its number in the paper, if it has one there."""
    title: str = ""
    """What it holds, if it has a number in the paper."""


@dataclass(frozen=True)
class Section:
    """A part of a report. ``amdiff.stages.sections.<name>`` reads what it shows.

    Its figures, if it has any, are drawn by ``amdiff.figures.<name>``. A section with the name of a stage is a whole
    page, and this stage reads what it shows.
    """

    name: str
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
