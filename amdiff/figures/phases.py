"""Fractions against K (fig. 4A), histograms of distances (fig. 3), sensitivity, and samples (fig. 1B, 13-15)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from amdiff.phases.classes import CLASSES
from amdiff.phases.density import Histogram, SoftLog
from amdiff.phases.distances import Distances

from .gallery import Gallery
from .panels import attractor_panel, panel
from .phases_tables import Summary, most_spurious
from .style import COLORS, GRAY, HIDDEN, OLIVE, PAGE, chosen_sizes, label_values, size_axis, subplots

MOST_ATTRACTORS, MOST_VISITS = 8, 12
"""Largest numbers of attractors that are drawn, and of samples drawn for each."""


@dataclass(frozen=True)
class Content:
    """The classified samples of a sweep."""

    summaries: Sequence[Summary]
    """Results of the stage ``classify`` for each K."""
    thresholds: Sequence[dict[str, Any]]
    """Results of the stage ``thresholds`` for each K."""
    sweep: Sequence[Distances]
    """Nearest distances of the samples of each K."""
    galleries: dict[int, Gallery]
    """The samples of each K."""
    label: str
    """Name and unit of the metric."""
    bandwidth: float
    """Bandwidth of the density of distances, in units of log distance."""
    columns: int
    """Number of samples of each class that are drawn."""
    neighbors: int
    """Number of neighbours that are drawn for each sample."""

    @property
    def peak(self) -> int:
        """K with the largest spurious share."""
        return int(most_spurious(self.summaries)["size"])


def fractions(content: Content) -> Figure:
    """Shares of the three classes against K, with their confidence bands."""
    summaries = content.summaries
    figure, ((axes,),) = subplots()
    sizes = [s["size"] for s in summaries]
    if len(sizes) == 1:
        figure.set_label(HIDDEN)  # one point is no curve
    for name in CLASSES:
        value, low, high = (
            np.array([s["fractions"][name][key] for s in summaries]) for key in ("value", "low", "high")
        )
        axes.fill_between(sizes, low, high, color=COLORS[name], alpha=0.22, linewidth=0)
        axes.plot(sizes, value, "o-", color=COLORS[name], label=name, clip_on=False, zorder=3)
    proper = [s["spurious_split"]["proper"] for s in summaries]
    axes.plot(sizes, proper, ":", color=COLORS["spurious"], linewidth=1, label="spurious, off memories")
    size_axis(axes, sizes)
    axes.set_ylabel("share of samples")
    axes.set_ylim(-0.02, 1.02)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def distances(content: Content) -> Figure:
    """Histograms of nearest distances for several K, with the thresholds; on top the density of all K together.

    The axis is the soft logarithm of the distance, which is linear below d0.
    """
    sweep, thresholds, bandwidth = content.sweep, content.thresholds, content.bandwidth
    d0 = thresholds[0]["d0"] or 0.5 * min(thresholds[0][d]["value"] for d in ("delta_m", "delta_s"))
    scale = SoftLog(d0)
    sizes = chosen_sizes([d.size for d in sweep], 6)
    rows = [(d, t) for d, t in zip(sweep, thresholds, strict=True) if d.size in sizes and len(sizes) > 1]
    figure, grid = subplots(len(rows) + 1, 2, width=PAGE, height=1.2 + 0.72 * (len(rows) + 1), sharex=True)
    columns = (
        ("to_train", "delta_m", OLIVE, "to the training set"),
        ("to_samples", "delta_s", GRAY, "to another sample"),
    )
    for column, (field, delta, color, title) in enumerate(columns):
        values = [scale(_finite(getattr(d, field))) for d in sweep]
        histogram = Histogram.of(values, margin=4 * bandwidth)
        top = grid[0, column]
        top.fill_between(histogram.grid, histogram.density(bandwidth), color=color, alpha=0.75, linewidth=0)
        top.set_title(f"distance {title}")
        _threshold_line(top, scale, thresholds, delta)
        top.set_yticks([])
        edges = np.linspace(histogram.grid[0], histogram.grid[-1], 91)
        for axes, (d, entry) in zip(grid[1:, column], rows, strict=True):
            axes.hist(scale(_finite(getattr(d, field))), edges, color=color, alpha=0.9)
            _threshold_line(axes, scale, [entry], delta)
            axes.set_yticks([])
            if column == 0:
                axes.set_ylabel(f"$K$ = {d.size:,}", rotation=0, ha="right", va="center")
    grid[0, 0].set_ylabel("all $K$" if rows else f"$K$ = {sweep[0].size:,}", rotation=0, ha="right", va="center")
    ticks = _distance_ticks(scale, grid[0, 0].get_xlim()[1])
    for axes in grid[-1]:
        axes.set_xticks(scale(ticks), [f"{tick:g}" for tick in ticks])
        axes.set_xlabel(content.label)
    return figure


def _distance_ticks(scale: SoftLog, upper: float) -> np.ndarray:
    """Ticks for a distance axis: 0, and 1, 2 or 5 times a power of ten, where they are far enough apart."""
    largest = float(scale.inverse(upper))
    candidates = [m * 10.0**e for e in range(-6, 7) for m in (1, 2, 5)]
    ticks, gap = [0.0], max(0.35, 0.08 * upper)
    for tick in candidates:
        if scale.d0 < tick < largest and scale(np.array(tick)) - scale(np.array(ticks[-1])) > gap:
            ticks.append(tick)
    return np.array(ticks)


def _threshold_line(axes: Axes, scale: SoftLog, entries: Sequence[dict[str, Any]], delta: str) -> None:
    values = {e[delta]["value"]: (e[delta]["low"], e[delta]["high"]) for e in entries}
    for value, (low, high) in values.items():
        axes.axvspan(float(scale(np.array(low))), float(scale(np.array(high))), color="black", alpha=0.15, linewidth=0)
        axes.axvline(float(scale(np.array(value))), color="black", linewidth=0.9, linestyle="--")


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def sensitivity(content: Content) -> Figure:
    """How the shares change when one threshold is varied, and the spurious peak when both are varied."""
    summaries, thresholds = content.summaries, content.thresholds
    figure, ((left, middle, right),) = subplots(1, 3, width=PAGE, height=2.3)
    sizes = [s["size"] for s in summaries]
    factors = thresholds[0]["sensitivity"]["factors"]
    memorized = np.array([t["sensitivity"]["memorized"] for t in thresholds])
    spurious = np.array([t["sensitivity"]["spurious"] for t in thresholds])
    centre = int(np.argmin(np.abs(np.log(factors))))
    shades = np.linspace(0.3, 0.9, len(factors))
    if len(sizes) == 1:
        for axes, values, name in (
            (left, memorized[0, :, centre], "memorized"),
            (middle, spurious[0, centre], "spurious"),
        ):
            axes.plot(factors, values, "o-", color=COLORS[name])
            axes.set_xscale("log")
            label_values(axes.xaxis, factors, 0.1, "{:g}".format)
            axes.set_xlabel("times the threshold")
    for i, factor in enumerate(factors if len(sizes) > 1 else ()):
        middle_one = i == centre
        style = {
            "alpha": 1.0 if middle_one else shades[i],
            "linewidth": 2.2 if middle_one else 0.9,
            "label": f"x {factor:g}",
        }
        left.plot(sizes, memorized[:, i, centre], color=COLORS["memorized"], **style)
        middle.plot(sizes, spurious[:, centre, i], color=COLORS["spurious"], **style)
    left.set(ylabel="memorized", ylim=(-0.02, 1.02), title=r"$\delta_m$ varied")
    middle.set(ylabel="spurious", title=r"$\delta_s$ varied")
    middle.set_ylim(bottom=0)
    for axes in (left, middle) if len(sizes) > 1 else ():
        size_axis(axes, sizes, gap=0.18)
        axes.legend(handlelength=1.0, labelspacing=0.2)
    peak = spurious.max(axis=0)
    image = right.imshow(peak, origin="lower", cmap="viridis", aspect="auto", vmin=0)
    ticks = range(len(factors))
    right.set_xticks(ticks, [f"{f:g}" for f in factors])
    right.set_yticks(ticks, [f"{f:g}" for f in factors])
    right.set(
        xlabel=r"$\delta_s$ x",
        ylabel=r"$\delta_m$ x",
        title="spurious share" + (" at its peak" if len(sizes) > 1 else ""),
    )
    right.plot(centre, centre, "o", mfc="none", mec="white")
    figure.colorbar(image, ax=right)
    return figure


def panel_memorized(content: Content) -> Figure:
    """The clearest memorized samples, beside their neighbours."""
    return _clearest(content, "memorized")


def panel_spurious(content: Content) -> Figure:
    """The clearest spurious samples, beside their neighbours."""
    return _clearest(content, "spurious")


def panel_generalized(content: Content) -> Figure:
    """The clearest generalized samples, which lie far from every other sample, beside their neighbours."""
    return _clearest(content, "generalized")


def _clearest(content: Content, name: str) -> Figure:
    """The clearest samples of a class.

    They come from the K of the spurious peak, so that the three classes can be compared. If that K has too few samples
    of this class, they come from the K where the class has its largest share.
    """
    best = max(content.summaries, key=lambda s: s["fractions"][name]["value"])["size"]
    size = content.peak if content.galleries[content.peak].variety(name) >= content.columns else best
    gallery = content.galleries[size]
    strips = gallery.strips(gallery.clearest(name, content.columns), content.neighbors)
    return panel(strips, COLORS[name], f"{name}, K = {size:,}")


def borderline(content: Content) -> Figure:
    """The samples nearest to the thresholds, at the K of the spurious peak."""
    peak = content.peak
    entry = next(t for t in content.thresholds if t["size"] == peak)
    m, s = entry["delta_m"]["value"], entry["delta_s"]["value"]
    gallery = content.galleries[peak]
    strips = gallery.strips(gallery.borderline(m, s), content.neighbors)
    return panel(strips, "black", f"nearest to the thresholds ({m:.2g} to S, {s:.2g} to S′), K = {peak:,}")


def attractors(content: Content) -> Figure:
    """The most visited spurious attractors of the K that has the most visited one."""
    visited = max(content.summaries, key=_most_visits)
    size, table = visited["size"], visited["attractors"]["table"]
    rows = content.galleries[size].attractors(table, most=MOST_ATTRACTORS, visits=MOST_VISITS)
    return attractor_panel(rows, f"spurious attractors, K = {size:,}")


def _most_visits(summary: Summary) -> int:
    """Number of samples in the largest spurious attractor."""
    return max((a["size"] for a in summary["attractors"]["table"] if a["kind"] == "spurious"), default=0)
