"""Histograms of nearest distances, with thresholds (fig. 3, 10-12)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from amdiff.phases.density import Histogram, SoftLog
from amdiff.phases.distances import Distances

from .style import GRAY, OLIVE, PAGE, chosen_sizes, subplots


def histograms(
    sweep: Sequence[Distances], thresholds: Sequence[dict[str, Any]], bandwidth: float, label: str
) -> Figure:
    """Histograms of nearest distances for several K, with the thresholds; on top the density of all K together.

    The axis is the soft logarithm of the distance, which is linear below d0. ``bandwidth`` is that of the density, in
    units of log distance, and ``label`` is the name and unit of the metric.
    """
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
            _dip_test(axes, d.size, entry[delta]["sizes"])
            axes.set_yticks([])
            if column == 0:
                axes.set_ylabel(f"$K$ = {d.size:,}", rotation=0, ha="right", va="center")
    grid[0, 0].set_ylabel("all $K$" if rows else f"$K$ = {sweep[0].size:,}", rotation=0, ha="right", va="center")
    ticks = _distance_ticks(scale, grid[0, 0].get_xlim()[1])
    for axes in grid[-1]:
        axes.set_xticks(scale(ticks), [f"{tick:g}" for tick in ticks])
        axes.set_xlabel(label)
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


def _dip_test(axes: Axes, size: int, tests: Sequence[dict[str, Any]]) -> None:
    """Write the p-value of the dip test of one K in the corner of its histogram."""
    for one in tests:
        if one["size"] == size:
            p = one["dip_p_value"]
            text = "$p$ < 0.001" if p < 0.001 else f"$p$ = {p:.2g}"
            axes.text(0.99, 0.92, text, transform=axes.transAxes, ha="right", va="top", fontsize=6)
