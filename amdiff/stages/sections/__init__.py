"""Parts of a report, one module each: what a section shows, from what other stages stored."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.figures.browser import Browser
from amdiff.figures.page import Table

from ..context import Context


@dataclass(frozen=True)
class Part:
    """One section of a page."""

    content: Any = None
    """What its figures show: ``amdiff.figures.<section>`` draws it."""
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


def part(name: str, context: Context, artifact: Artifact, spec: Any) -> Part:
    """A section of the report ``artifact``, whose experiment is ``spec``: the function of its name in its module."""
    return getattr(importlib.import_module(f"{__name__}.{name}"), name)(context, artifact, spec)
