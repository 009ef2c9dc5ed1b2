"""Relative energy against K (fig. 6, 26-30): figures, the table and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from amdiff.landscape.findings import PATHS, GapFinding, Path
from amdiff.landscape.targets import GROUPS
from amdiff.phases.classes import CLASSES

from .curves import ends, foot
from .page import Table, make_table
from .style import COLORS, PAGE, legend_of_all, size_axis, subplots

ByReference = Mapping[int, Mapping[str, Mapping[int, GapFinding]]]
"""Findings by reference image, class and K."""


Way = tuple[int, str]
"""A noise level, and the path along which the energy is measured."""


@dataclass(frozen=True)
class Content:
    """The energy gaps of a sweep."""

    found: Mapping[Way, ByReference]
    """Gaps to training points, by noise level and path."""
    time: int
    """The main noise level, which the figures show."""
    sizes: list[int]
    """Every K of the sweep."""
    note: str
    """Says which classes are left out at which K; may be empty."""

    def gaps(self, path: str) -> ByReference:
        """Gaps at the main noise level along one path."""
        return self.found[self.time, path]

    @property
    def main(self) -> int:
        """Number of the first reference image."""
        return next(iter(self.gaps("circular")))


def energy_gap(content: Content) -> Figure:
    """Energy gaps for the first reference image, along both paths."""
    panels = {f"{path} path": content.gaps(path)[content.main] for path in PATHS}
    return _gaps(panels, content)


def energy_references(content: Content) -> Figure:
    """Energy gaps for the other reference images; for the first one where it is the only one."""
    every = content.gaps("circular")
    others = {r: groups for r, groups in every.items() if r != content.main}
    return _gaps({f"reference: image {r}": groups for r, groups in (others or every).items()}, content)


def _gaps(panels: Mapping[str, Mapping[str, Mapping[int, GapFinding]]], content: Content) -> Figure:
    """Gaps to training points against K, with the standard deviation in each class; panels by their titles."""
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    width = PAGE if columns > 1 else 3.3
    figure, grid = subplots(rows, columns, width=width, height=2.2 * rows + 0.5, sharex=True, sharey=True)
    for axes, (title, found) in zip(grid.flat, panels.items(), strict=False):
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
        axes.set_title(title)
        size_axis(axes, content.sizes, gap=0.15)
        axes.set_ylabel("energy gap")
    for axes in grid.flat[: max(0, len(panels) - columns)]:  # only the lowest panel of a column labels its axis
        axes.set_xlabel("")
    for axes in grid.flat[max(0, len(panels) - columns) : len(panels)]:
        axes.tick_params(labelbottom=True)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    legend_of_all(figure, grid.flat, columns=3)
    foot(figure, content.note)
    return figure


Asymmetry = Mapping[int, Mapping[str, Mapping[int, float]]]
"""The antisymmetric part of the score's Jacobian as a share of the symmetric one, by noise level, class and K."""


def energy_table(found: Mapping[Way, ByReference], asymmetry: Asymmetry) -> Table:
    """Energy gaps of each class and K, for every noise level, path and reference image."""
    rows = [
        [k, g, f.n, f.gap.value, f.std, reference, *ends(f.gap)[1:], time, path, asymmetry[time][g][k], f.change]
        for (time, path), references in found.items()
        for reference, groups in references.items()
        for g in GROUPS
        for k, f in sorted(groups.get(g, {}).items())
    ]
    columns = [
        "K",
        "class",
        "n",
        "gap",
        "gap_std",
        "reference",
        "gap_low",
        "gap_high",
        "t",
        "path",
        "antisymmetric",
        "change",
    ]
    return make_table(
        "energy", "Relative energy", columns, rows,
        note="gap: mean energy U of the class minus the mean U of the training points. reference: row of the reference "
        "image in the canonical dataset. t: noise level. path: from a target to the reference. antisymmetric: norm of "
        "J - J^T over that of J + J^T, for the score's Jacobian J at the targets; 0 for a field that has a potential. "
        "change: what the gap changes by with every second point of the paths, a measure of the error of integration.",
    )  # fmt: skip


def energy_sentences(content: Content, asymmetry: Asymmetry, peak: int) -> list[str]:
    """Say which class has the lowest energy at the K of the spurious peak, if both paths agree.

    The sentences are about the main noise level and the first reference image.
    """
    paths = {
        path: {g: rows[g][peak] for g in CLASSES if peak in rows.get(g, {})}
        for path in PATHS
        for rows in (content.gaps(path)[content.main],)
    }
    shares = [rows[peak] for rows in asymmetry[content.time].values() if peak in rows]
    if not paths["circular"] or not shares:
        return []
    text = "; ".join(
        f"{path} path: "
        + ", ".join(f"{g} {f.gap.value:.3g} [{f.gap.low:.3g}, {f.gap.high:.3g}]" for g, f in found.items())
        for path, found in paths.items()
    )
    return [
        f"Relative energy at K = {peak:,}, t = {content.time}, against image {content.main} and compared with training "
        f"points: {text}.",
        f"{_verdict(paths)} The antisymmetric part of the score's Jacobian is up to {max(shares):.2g} of the symmetric "
        "part there; it is 0 where an energy exists.",
    ]


def _verdict(paths: Mapping[Path, Mapping[str, GapFinding]]) -> str:
    """Which class lies lowest by both paths, or why that cannot be told."""
    circular, straight = (paths[path] for path in PATHS)
    errors = {g: abs(circular[g].change) + abs(straight[g].change) for g in circular}
    apart = {g: abs(circular[g].gap.value - straight[g].gap.value) for g in circular}
    orders = {tuple(sorted(found, key=lambda g: found[g].gap.value)) for found in paths.values()}
    signs = [g for g in circular if (circular[g].gap.value > 0) != (straight[g].gap.value > 0)]
    if (signs or len(orders) > 1) and any(errors[g] > apart[g] / 2 for g in signs or apart):
        return "There are too few points on the paths to tell whether the two agree; raise energy.points."
    if signs:
        return "The two paths disagree in the sign of a class, so no order of the classes can be told."
    if len(orders) > 1:
        return "The two paths order the classes differently, so no order can be told."
    if len(circular) < 2:
        return "Both paths give the same sign."
    lowest = orders.pop()[0]
    alone = all(f[lowest].gap.high < f[g].gap.low for f in paths.values() for g in f if g != lowest)
    ending = "and its interval overlaps no other" if alone else "but its interval is not apart from all others"
    return f"By both paths the {lowest} samples lie lowest, {ending}."
