"""Records of all stages of the workflow and of all figures of its pages.

Nothing here computes, and nothing heavy is imported. All code that plans, runs, publishes or lists stages and figures
reads these records. To add a stage or a figure, add its record to one of these modules, and write its code.
"""

from __future__ import annotations

from . import landscape, models, pages, phases
from .records import FORMATS, Figure, Section, Stage, Table

__all__ = ["FIGURES", "FORMATS", "SECTIONS", "STAGES", "Figure", "Section", "Stage", "Table"]

STAGES = {s.name: s for part in (models, phases, landscape, pages) for s in part.STAGES}
"""Every stage, by its name, in the order in which data flows."""

SECTIONS = {s.name: s for part in (phases, landscape, models, pages) for s in part.SECTIONS}
"""Every section, by its name, in the order of a page."""

FIGURES = {figure.name: figure for section in SECTIONS.values() for figure in section.figures}
"""Every figure of all pages, by its name."""
