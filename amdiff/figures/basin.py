"""Basins of attraction against K (fig. 4B, 16-19), and what comes back from noise: figures, tables, sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from amdiff.landscape.findings import BasinFinding, ordering
from amdiff.landscape.targets import GROUPS
from amdiff.phases.classes import CLASSES

from .curves import against_size, curves, ends, foot, triple
from .page import Table, make_table
from .recovery import LastReturns, Returns, last_returns, what_returns
from .style import PAGE, size_axis, subplots

ByClass = Mapping[str, Mapping[int, BasinFinding]]
"""Findings by class and K."""

VERDICTS = {
    "holds": "falls from memorized over spurious to generalized, with separate intervals",
    "blurred": "falls in the order memorized, spurious, generalized, but intervals meet",
    "fails": "does not fall in the order memorized, spurious, generalized",
}


@dataclass(frozen=True)
class Content:
    """Basins of a sweep."""

    found: Mapping[float, ByClass]
    """At delta times each factor."""
    deltas: Mapping[float, Mapping[int, float]]
    """The threshold at each factor and K."""
    sizes: list[int]
    returns: Mapping[int, Sequence[Returns]]
    """What comes back of some targets, by K."""
    last: Mapping[int, Sequence[LastReturns]]
    """The last that comes back of some targets at each threshold, by K."""
    times: list[int]
    """Noise levels of ``returns``."""
    peak: int
    """K with the largest spurious share."""
    note: str
    """What is left out."""

    @property
    def main(self) -> ByClass:
        """At delta itself."""
        return self.found[1.0]


def log_volume(content: Content) -> Figure:
    """Log-volumes against K."""
    volumes = {g: {k: f.log_volume for k, f in rows.items()} for g, rows in content.main.items()}
    return against_size(volumes, content.sizes, "log-volume of the basin", content.note)


def critical_time(content: Content) -> Figure:
    """Critical times against K."""
    moments = {g: {k: f.critical_time for k, f in rows.items()} for g, rows in content.main.items()}
    return against_size(moments, content.sizes, "critical time, index of the noise level", content.note)


def basin_scan(content: Content) -> Figure:
    """Log-volumes at several thresholds: what hangs on delta."""
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
    """The last that counts as recovered at each threshold, at a small, the spurious peak's and a large K."""
    three = dict.fromkeys((min(content.last), content.peak, max(content.last)))
    rows = [row for size in three for row in content.last[size]]
    return last_returns(rows, list(content.found), "the last that counts as recovered")


def recovery(content: Content) -> Figure:
    """What comes back from rising noise, at the spurious peak."""
    peak, delta = content.peak, content.deltas[1.0][content.peak]
    title = f"what comes back at K = {peak:,}; framed: within {delta:.2g}"
    return what_returns(content.returns[peak], content.times, delta, title)


def basin_table(found: ByClass) -> Table:
    """Critical times and log-volumes at the threshold itself."""
    sizes = sorted({k for rows in found.values() for k in rows})
    rows = [
        [k, g, f.n, *ends(f.critical_time), *ends(f.log_volume), f.clusters, f.failed, f.open]
        for k in sizes
        for g in GROUPS
        if (f := found.get(g, {}).get(k))
    ]
    columns = ["K", "class", "n", *triple("critical_time"), *triple("log_volume"), "clusters", "failed", "open"]
    return make_table(
        "basin", "Basins of attraction", columns, rows,
        note="Means over targets with intervals between attractors (clusters). failed: share of copies that do not "
        "come back even from the first time; open: share of targets that come back from every time.",
    )  # fmt: skip


def scan_table(found: Mapping[float, ByClass], deltas: Mapping[float, Mapping[int, float]]) -> Table:
    """The same at every threshold of the scan."""
    rows = [
        [k, g, f.n, factor, deltas[factor][k], *ends(f.critical_time), *ends(f.log_volume)]
        for factor, groups in found.items()
        for g in GROUPS
        for k, f in sorted(groups.get(g, {}).items())
    ]
    columns = ["K", "class", "n", "factor", "delta", *triple("critical_time"), *triple("log_volume")]
    return make_table("basin_scan", "Basins at other thresholds", columns, rows, on_page=False)


def basin_sentences(found: ByClass) -> list[str]:
    """Whether log-volumes have the paper's order, where all three classes exist."""
    verdicts: dict[str, list[int]] = {}
    for k in sorted({k for rows in found.values() for k in rows}):
        volumes = {g: found[g][k].log_volume for g in CLASSES if k in found.get(g, {})}
        if len(volumes) == len(CLASSES):
            verdicts.setdefault(ordering(volumes, CLASSES), []).append(k)
    if not verdicts:
        return ["Basins: no K has enough samples of all three classes to compare their volumes."]
    return [
        f"Basins: at K = {', '.join(f'{k:,}' for k in sizes)} the log-volume {VERDICTS[verdict]}."
        for verdict, sizes in verdicts.items()
    ]
