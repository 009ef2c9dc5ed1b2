"""Parts of a report, one module each: figures, tables and sentences from what other stages stored."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

from amdiff.artifacts import Artifact
from amdiff.figures.browser import Browser
from amdiff.figures.page import Table

from ..context import Context


@dataclass(frozen=True)
class Part:
    """One section's content."""

    figures: Callable[[], Iterator[tuple[str, Figure]]]
    """Draws one figure after the other: (name, figure), all those of the section."""
    tables: Sequence[Table] = ()
    headline: Sequence[str] = ()
    warnings: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Further files of tables/, by name."""
    lead: str = ""
    """The one sentence that a reader sees first; of the first section that has one."""
    facts: Sequence[tuple[str, str]] = ()
    """What was measured and how robustly, (name, value), for the first screen."""
    browser: Browser | None = None
    """Samples to browse on the page."""


PARTS = {
    "phases": "phases",
    "metrics": "metrics",
    "peers": "peers",
    "basin": "landscape",
    "curvature": "landscape",
    "energy": "landscape",
    "circle": "toy",
    "training": "training",
}
"""The module of each section; its function has the section's name."""


def part(name: str, context: Context, artifact: Artifact, spec: Any) -> Part:
    """A section of the report ``artifact``, whose experiment is ``spec``."""
    return getattr(importlib.import_module(f"{__name__}.{PARTS[name]}"), name)(context, artifact, spec)
