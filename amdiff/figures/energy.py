"""Relative energy against K (fig. 6, 26-30): figures, the table and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from amdiff.landscape.findings import GapFinding
from amdiff.landscape.targets import GROUPS
from amdiff.phases.classes import CLASSES

from .curves import ends, foot
from .page import Table, make_table
from .style import COLORS, PAGE, legend_of_all, size_axis, subplots

ByReference = Mapping[int, Mapping[str, Mapping[int, GapFinding]]]
"""Findings by reference image, class and K."""


@dataclass(frozen=True)
class Content:
    """The energy gaps of a sweep."""

    found: ByReference
    """Gaps to training points."""
    sizes: list[int]
    """Every K of the sweep."""
    note: str
    """Says which classes are left out at which K; may be empty."""

    @property
    def main(self) -> int:
        """Number of the first reference image."""
        return next(iter(self.found))


def energy_gap(content: Content) -> Figure:
    """Energy gaps for the first reference image."""
    return _gaps({content.main: content.found[content.main]}, content)


def energy_references(content: Content) -> Figure:
    """Energy gaps for the other reference images; for the first one where it is the only one."""
    others = {r: groups for r, groups in content.found.items() if r != content.main}
    return _gaps(others or content.found, content)


def _gaps(references: ByReference, content: Content) -> Figure:
    """Gaps to training points against K, with the standard deviation in each class; a panel for each reference."""
    columns = min(len(references), 2)
    rows = -(-len(references) // columns)
    width = PAGE if columns > 1 else 3.3
    figure, grid = subplots(rows, columns, width=width, height=2.2 * rows + 0.5, sharex=True)
    for axes, (reference, found) in zip(grid.flat, references.items(), strict=False):
        for name in CLASSES:
            points = sorted(found.get(name, {}).items())
            if not points:
                continue
            size = [k for k, _ in points]
            gap, std = np.array([(f.gap.value, f.std) for _, f in points]).T
            axes.fill_between(size, gap - std, gap + std, color=COLORS[name], alpha=0.12, linewidth=0)
            error = [f.gap.high - f.gap.value for _, f in points]
            axes.errorbar(size, gap, error, fmt="o-", color=COLORS[name], label=name, capsize=2)
        axes.axhline(0, color="black", linewidth=0.8, linestyle="--")
        axes.set_title(f"reference: image {reference}")
        size_axis(axes, content.sizes, gap=0.15)
        axes.set_ylabel("energy gap")
    for axes in grid.flat[: max(0, len(references) - columns)]:  # only the lowest panel of a column labels its axis
        axes.set_xlabel("")
    for axes in grid.flat[max(0, len(references) - columns) : len(references)]:
        axes.tick_params(labelbottom=True)
    for axes in grid.flat[len(references) :]:
        axes.set_axis_off()
    legend_of_all(figure, grid.flat, columns=3)
    foot(figure, content.note)
    return figure


def energy_table(found: ByReference) -> Table:
    """Energy gaps of each class and K, for every reference image."""
    rows = [
        [k, g, f.n, f.gap.value, f.std, reference, *ends(f.gap)[1:]]
        for reference, groups in found.items()
        for g in GROUPS
        for k, f in sorted(groups.get(g, {}).items())
    ]
    columns = ["K", "class", "n", "gap", "gap_std", "reference", "gap_low", "gap_high"]
    return make_table(
        "energy", "Relative energy", columns, rows,
        note="gap: mean energy U of the class minus the mean U of the training points. reference: row of the reference "
        "image in the canonical dataset.",
    )  # fmt: skip


def energy_sentences(found: Mapping[str, Mapping[int, GapFinding]], peak: int) -> list[str]:
    """Say which class has the lowest energy at the K of the spurious peak, for the first reference image."""
    gaps = {g: found[g][peak].gap for g in CLASSES if peak in found.get(g, {})}
    if len(gaps) < 2:
        return []
    lowest = min(gaps, key=lambda g: gaps[g].value)
    apart = all(gaps[lowest].high < gaps[g].low for g in gaps if g != lowest)
    text = ", ".join(f"{g} {e.value:.3g} [{e.low:.3g}, {e.high:.3g}]" for g, e in gaps.items())
    verdict = "and its interval overlaps no other" if apart else "but its interval overlaps another one"
    return [
        f"Relative energy at K = {peak:,}, compared with training points: {text}. The {lowest} samples lie "
        f"lowest, {verdict}."
    ]
