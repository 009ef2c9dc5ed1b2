"""What a report is made of: sections, each with its figures and tables.

A figure's name is that of its files and its caption; its group is the heading it stands under.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amdiff.config import AnyExperiment, CircleSpec


@dataclass(frozen=True)
class Section:
    """Figures, with the group they belong to, and tables of one part of a report."""

    figures: Mapping[str, str]
    tables: tuple[str, ...]


SECTIONS = {
    "phases": Section(
        {
            "fractions": "Phases",
            "distances": "Thresholds",
            "sensitivity": "Thresholds",
            "panel_memorized": "Samples",
            "panel_spurious": "Samples",
            "panel_generalized": "Samples",
            "borderline": "Samples",
            "attractors": "Attractors",
        },
        (
            "fractions.csv",
            "thresholds.csv",
            "attractor_counts.csv",
            "attractors.csv",
            "panels.csv",
            "samples.parquet",
        ),
    ),
    "metrics": Section({}, ("metrics.csv",)),
    "peers": Section({}, ("peers.csv", "c_t.csv")),
    "basin": Section(
        {
            "log_volume": "Basins",
            "critical_time": "Basins",
            "basin_scan": "Basins",
            "basin_choice": "Basins",
            "recovery": "Basins",
        },
        ("basin.csv", "basin_scan.csv"),
    ),
    "curvature": Section(
        {"spectra": "Curvature", "spectra_train": "Curvature", "dimension": "Curvature"},
        ("curvature.csv",),
    ),
    "energy": Section({"energy_gap": "Energy", "energy_references": "Energy"}, ("energy.csv",)),
    "circle": Section(
        {"landscape": "Landscape", "ring": "Landscape", "two_memories": "Theory"},
        ("landscape.csv", "minima.csv", "clusters.csv"),
    ),
    "training": Section({"training": "Models"}, ()),
    "comparison": Section(
        {"comparison": "Comparison", "capacity": "Comparison"},
        ("comparison.csv", "transitions.csv", "thresholds.csv", "configurations.csv"),
    ),
    "prompts": Section({"prompt_spectra": "Curvature"}, ("prompts.csv",)),
}
"""Sections by name, in the order of a page."""

FIGURES = {name: group for section in SECTIONS.values() for name, group in section.figures.items()}
"""Every figure of any report, with its group."""


def sections_of(spec: AnyExperiment) -> tuple[str, ...]:
    """The sections of an experiment's report."""
    if isinstance(spec, CircleSpec):
        return ("circle", "training")
    other = (*(("metrics",) if spec.also else ()), *(("peers",) if spec.peers else ()))
    return ("phases", *other, *spec.analyses, *(("training",) if spec.trained else ()))
