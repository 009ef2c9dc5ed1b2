"""What a record says: of a stage, of a figure, and of a section of a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Params = Mapping[str, Any]
"""Parameters of an artifact."""

Passes = Callable[[Params, int, int], float]
"""Forward passes that an artifact takes at most.

Of its parameters, the number of samples that it reads, and the number of values of an image.
"""

DAY = 1440
"""Minutes."""


@dataclass(frozen=True)
class Stage:
    """A stage makes artifacts of one kind.

    The function ``<name>`` of the module ``amdiff.stages.<name>`` makes them, and is imported where it is needed. A
    rule of the workflow and a command of the program have the same name.
    """

    name: str
    version: int
    """Of the meaning of its results; raise it when that changes."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Its files, by what they hold; empty for a page, whose files depend on its sections."""
    memory_mb: int = 4000
    """Memory that a first attempt asks for, in MiB."""
    minutes: int = 60
    """Time that a first attempt asks for."""
    gpu: Literal["no", "network", "yes"] = "no"
    """Whether a GPU serves it: 'network' where its denoiser is a network, not a closed form."""
    local: bool = False
    """Whether it runs where snakemake runs. It may download, and the nodes of a cluster often have no network."""
    searches: bool = False
    """Whether it searches among images: its memory follows ``runtime.neighbor_memory_mb``, its time the pairs."""
    page: bool = False
    """Whether it makes a page, which is published."""
    decides: bool = False
    """Whether what it finds decides which jobs follow: a checkpoint of Snakemake."""
    work: Literal["training", "sampling", "analyses", "comparisons"] = "comparisons"
    """What a plan counts its time under."""
    passes: Passes | None = None
    """Forward passes of its network; None where it runs no network of an experiment."""
    double: bool = False
    """Whether its network runs in float64."""
    seconds: float = 0.0
    """What it takes beside passes and searches, about."""


@dataclass(frozen=True)
class Figure:
    """A figure of a page: the function ``<name>`` of the module ``amdiff.figures.<section>`` draws it."""

    name: str
    group: str
    """The heading that it stands under."""
    title: str
    caption: str
    """What it shows and what that means, in two sentences of reStructuredText, whose only role is ``:math:``."""
    paper: str = ""
    """Its number in the paper, if it has one there."""
    raster: bool = False
    """Whether it is made of images, and so a PNG on the page, where an SVG would be larger."""
    narrow: bool = False
    """Whether it is one column wide."""
    first: bool = False
    """Whether it may be the figure of the first screen: the first of a page that may is."""


@dataclass(frozen=True)
class Table:
    """A table of a page."""

    name: str
    """Of its file, with the suffix."""
    paper: str = ""
    """Its number in the paper, if it has one there."""
    title: str = ""
    """What it holds, where it has a number in the paper."""


@dataclass(frozen=True)
class Section:
    """A part of a page: ``amdiff.stages.sections.<name>`` reads what it shows, ``amdiff.figures.<name>`` draws it."""

    name: str
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
