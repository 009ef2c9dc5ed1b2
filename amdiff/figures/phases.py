"""Fractions against K (fig. 4A), distance histograms (fig. 3), and what thresholds change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from amdiff.phases.classes import CLASSES
from amdiff.phases.density import Histogram, SoftLog
from amdiff.phases.distances import Distances

from .style import COLORS, GRAY, HIDDEN, OLIVE, PAGE, chosen_sizes, label_values, size_axis, subplots

Summary = dict[str, Any]


def fractions(summaries: Sequence[Summary]) -> Figure:
    """Shares of the three classes against K, with their confidence bands."""
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


def distances(
    sweep: Sequence[Distances], thresholds: Sequence[dict[str, Any]], label: str, d0: float, bandwidth: float
) -> Figure:
    """Histograms of nearest distances for several K, the pooled density on top, and the thresholds.

    The axis is the soft logarithm of the distance, linear below ``d0``.
    """
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
        axes.set_xlabel(label)
    return figure


def _distance_ticks(scale: SoftLog, upper: float) -> np.ndarray:
    """0 and numbers of the form 1, 2, 5 times a power of ten, not too close on the axis."""
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


def sensitivity(summaries: Sequence[Summary], thresholds: Sequence[dict[str, Any]]) -> Figure:
    """How the curves move when the thresholds are varied, and the spurious peak on the whole grid."""
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


def training(curves: Mapping[int, Sequence[dict[str, float]]]) -> Figure:
    """Training loss of every model; empty where models are closed forms."""
    import matplotlib.pyplot as plt

    figure, ((axes,),) = subplots()
    if not curves:
        axes.text(0.5, 0.5, "closed-form denoiser: nothing was trained", ha="center", va="center")
        axes.set_axis_off()
        return figure
    colors = plt.get_cmap("viridis")(np.linspace(0, 0.92, len(curves)))
    for color, (size, metrics) in zip(colors, sorted(curves.items()), strict=True):
        axes.plot(
            [m["step"] for m in metrics], [m["loss"] for m in metrics], color=color, linewidth=0.9, label=f"{size:,}"
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("noise-prediction loss")
    if len(curves) <= 12:
        axes.legend(title="$K$", ncols=2, columnspacing=1)
    return figure
