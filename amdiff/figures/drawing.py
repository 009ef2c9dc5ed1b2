"""Draws the figures of a section. A function in the section's module draws the figure of the same name."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from matplotlib.figure import Figure

from amdiff.catalogue import SECTIONS


def drawn(section: str, content: Any) -> Iterator[tuple[str, Figure]]:
    """Draw each figure of a section in turn and yield (name, figure). ``content`` is the data of the section."""
    for record in SECTIONS[section].figures:
        yield record.name, getattr(importlib.import_module(f"amdiff.figures.{section}"), record.name)(content)
