"""Basins of attraction against K (fig. 4B, 16-19): figures, tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from amdiff.landscape.findings import BasinFinding, ordering
from amdiff.landscape.targets import GROUPS
from amdiff.phases.classes import CLASSES

from .curves import LABELS, against_size, curves, ends, foot, triple
from .page import Table, make_table
from .recovery import LastReturns, Returns, last_returns, what_returns
from .style import PAGE, size_axis, subplots

ByClass = Mapping[str, Mapping[int, BasinFinding]]
"""Findings by class and K."""

VERDICTS = {
    "holds": "falls in the order memorized, spurious, generalized, and the intervals do not overlap",
    "blurred": "falls in the order memorized, spurious, generalized, but intervals overlap",
    "fails": "does not fall in the order memorized, spurious, generalized",
}
"""How a sentence ends, by the outcome of :func:`~amdiff.landscape.findings.ordering`."""


@dataclass(frozen=True)
class Content:
    """The basins of a sweep, as the figures of this section need them."""

    found: Mapping[float, ByClass]
    """Findings for each factor by which the threshold delta is multiplied."""
    deltas: Mapping[float, Mapping[int, float]]
    """The threshold, by factor and K."""
    sizes: list[int]
    """Every K of the sweep."""
    returns: Mapping[int, Sequence[Returns]]
    """For some targets, the images that come back from rising noise; by K."""
    last: Mapping[int, Sequence[LastReturns]]
    """For some targets, the last image that counts as recovered at each threshold; by K."""
    times: list[int]
    """Indices of the noise levels of ``returns``."""
    peak: int
    """K with the largest spurious share."""
    note: str
    """Says which classes are left out at which K; may be empty."""
    null: ByClass
    """Findings of a denoiser that predicts no noise, at delta itself."""

    @property
    def main(self) -> ByClass:
        """Findings at delta itself (factor 1)."""
        return self.found[1.0]


def log_volume(content: Content) -> Figure:
    """Log-volumes of the basins of each class against K."""
    volumes = {g: {k: f.log_volume for k, f in rows.items()} for g, rows in content.main.items()}
    label, doubted = "log-volume of the basin", _at_floor(content.main)
    return against_size(volumes, content.sizes, label, content.note, doubted, null_volumes(content.null))


def critical_time(content: Content) -> Figure:
    """Critical times of each class against K."""
    moments = {g: {k: f.critical_time for k, f in rows.items()} for g, rows in content.main.items()}
    label = "critical time (noise level)"
    return against_size(moments, content.sizes, label, content.note, _at_floor(content.main))


def _at_floor(found: ByClass) -> set[tuple[str, int]]:
    """The classes and K at which at least half of the copies do not come back even from the first noise level."""
    return {(g, k) for g, rows in found.items() for k, f in rows.items() if f.failed >= 0.5}


def null_volumes(null: ByClass) -> dict[int, float]:
    """Mean log-volume of a denoiser that predicts no noise, by K; the mean over the classes."""
    sizes = sorted({k for rows in null.values() for k in rows})
    return {k: float(np.mean([rows[k].log_volume.value for rows in null.values() if k in rows])) for k in sizes}


def basin_scan(content: Content) -> Figure:
    """Log-volumes at several thresholds; shows how much depends on delta."""
    figure, (grid,) = subplots(1, len(content.found), width=PAGE, height=2.5, sharey=True)
    for axes, (factor, found) in zip(grid, content.found.items(), strict=True):
        curves(axes, {name: {k: f.log_volume for k, f in rows.items()} for name, rows in found.items()})
        size_axis(axes, content.sizes, gap=0.4)
        axes.set_title(rf"$\delta$ x {factor:g}")
        axes.set_xlabel("$K$")
    grid[0].set_ylabel("log-volume")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    foot(figure, content.note)
    return figure


def basin_choice(content: Content) -> Figure:
    """The last image that counts as recovered at each threshold.

    Shown at the smallest K, at the K of the spurious peak and at the largest K.
    """
    three = dict.fromkeys((min(content.last), content.peak, max(content.last)))
    rows = [row for size in three for row in content.last[size]]
    return last_returns(rows, list(content.found), "the last image that counts as recovered")


def recovery(content: Content) -> Figure:
    """The images that come back from rising noise, at the K of the spurious peak."""
    peak, delta = content.peak, content.deltas[1.0][content.peak]
    title = f"what comes back at K = {peak:,}; framed: within {delta:.2g} of the target"
    return what_returns(content.returns[peak], content.times, delta, title)


def basin_table(found: ByClass, null: ByClass) -> Table:
    """Critical times and log-volumes of each class and K, at the threshold itself, beside those of a null denoiser."""
    sizes = sorted({k for rows in found.values() for k in rows})
    rows = [
        [
            k,
            g,
            f.n,
            *ends(f.critical_time),
            *ends(f.log_volume),
            f.clusters,
            f.failed,
            f.open,
            *ends(f.paper_time),
            *ends(f.paper_volume),
            f.median,
            f.floor,
            null[g][k].log_volume.value,
        ]
        for k in sizes
        for g in GROUPS
        if (f := found.get(g, {}).get(k))
    ]
    columns = [
        "K",
        "class",
        "n",
        *triple("critical_time"),
        *triple("log_volume"),
        "clusters",
        "failed",
        "open",
        *triple("paper_time"),
        *triple("paper_log_volume"),
        "log_volume_median",
        "floor",
        "null_log_volume",
    ]
    return make_table(
        "basin", "Basins of attraction", columns, rows,
        note="Means over targets; the intervals use the variance between attractors (clusters). failed: share of "
        "copies that do not come back even from the first noise level; open: share of targets that come back from "
        "every noise level, so that its value is a lower bound. critical_time: the last noise level from which a copy "
        "comes back before its first failure; paper_time: the level before the search of its target stopped (algorithm "
        "1 with the published code). floor: share of copies whose critical time is the first noise level; for the "
        "failed ones among them it is an upper bound, and so are the means. log_volume_median is right if failed is "
        "below one half. null_log_volume: of a denoiser "
        "that predicts no noise.",
    )  # fmt: skip


def scan_table(found: Mapping[float, ByClass], deltas: Mapping[float, Mapping[int, float]]) -> Table:
    """Critical times and log-volumes of each class and K, at every threshold of the scan."""
    rows = [
        [k, g, f.n, factor, deltas[factor][k], *ends(f.critical_time), *ends(f.log_volume)]
        for factor, groups in found.items()
        for g in GROUPS
        for k, f in sorted(groups.get(g, {}).items())
    ]
    columns = ["K", "class", "n", "factor", "delta", *triple("critical_time"), *triple("log_volume")]
    return make_table("basin_scan", "Basins at other thresholds", columns, rows, on_page=False)


def basin_sentences(found: ByClass, null: ByClass) -> list[str]:
    """Say at which K the log-volumes have the paper's order, and which classes have no basin at all.

    Only K with all three classes count for the order.
    """
    verdicts: dict[str, list[int]] = {}
    for k in sorted({k for rows in found.values() for k in rows}):
        volumes = {g: found[g][k].log_volume for g in CLASSES if k in found.get(g, {})}
        if len(volumes) == len(CLASSES):
            verdicts.setdefault(ordering(volumes, CLASSES), []).append(k)
    lines = [
        f"Basins: at K = {', '.join(f'{k:,}' for k in sizes)} the log-volume {VERDICTS[verdict]}."
        for verdict, sizes in verdicts.items()
    ] or ["Basins: no K has enough samples of all three classes to compare their volumes."]
    for g, rows in found.items():
        if upper := [k for k, f in sorted(rows.items()) if f.failed >= 0.05]:
            lines.append(
                f"At K = {', '.join(f'{k:,}' for k in upper)} the volumes of {LABELS.get(g, f'{g} samples')} are upper "
                "bounds, since some copies do not come back even from the first noise level."
            )
    flat = {
        g: [k for k, f in sorted(found.get(g, {}).items()) if f.log_volume.low <= null[g][k].log_volume.value]
        for g in CLASSES
    }
    return lines + [
        f"At K = {', '.join(f'{k:,}' for k in sizes)} the basins of {g} samples are not surely larger than those of a "
        "denoiser that does nothing."
        for g, sizes in flat.items()
        if sizes
    ]
