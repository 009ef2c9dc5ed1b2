"""The figures of a section, drawn: each by the function of its name in the section's module."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from matplotlib.figure import Figure

from amdiff.catalogue import SECTIONS


def drawn(section: str, content: Any) -> Iterator[tuple[str, Figure]]:
    """Each figure of a section, (name, figure), one after the other; ``content`` is what the section shows."""
    for record in SECTIONS[section].figures:
        yield record.name, getattr(importlib.import_module(f"amdiff.figures.{section}"), record.name)(content)
