"""The sections of a report, one module for each. A section reads what other stages stored and says what to show."""

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
    """One section of a page. Each of its parts may be missing."""

    content: Any = None
    """What the figures show. The module ``amdiff.figures.<section>`` draws it."""
    tables: Sequence[Table] = ()
    """Tables on the page and in tables/."""
    headline: Sequence[str] = ()
    """Sentences that state the results."""
    warnings: Sequence[str] = ()
    """Sentences about what limits the results."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Further files in tables/, by name."""
    lead: str = ""
    """The sentence that a reader sees first. The page takes it from the first section that has one."""
    facts: Sequence[tuple[str, str]] = ()
    """Facts (name, value) for the first screen: what was measured, and how robust it is."""
    browser: Browser | None = None
    """Samples that the reader can browse on the page."""


def part(name: str, context: Context, artifact: Artifact, spec: Any) -> Part:
    """Make the section ``name`` of the report ``artifact``, whose experiment is ``spec``.

    The module of that name has a function of the same name, which is called.
    """
    return getattr(importlib.import_module(f"{__name__}.{name}"), name)(context, artifact, spec)
