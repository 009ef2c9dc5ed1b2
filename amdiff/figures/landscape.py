"""Basins, curvature and relative energy against K (fig. 4B, 5A, 6, 16-23, 26-30)."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from amdiff.landscape.findings import BasinFinding, DimensionFinding, GapFinding
from amdiff.landscape.targets import GROUPS
from amdiff.phases.classes import CLASSES
from amdiff.phases.intervals import Estimate

from .style import COLORS, PAGE, chosen_sizes, size_axis, subplots

GROUP_COLORS = {"train": "black", **COLORS}
LABELS = {"train": "training points"}

Curves = Mapping[str, Mapping[int, Estimate]]
"""Estimates by class and K; a class that was left out at a K has none there."""


def curves(axes: Axes, estimates: Curves) -> None:
    """A line with its confidence band for each class."""
    for name in GROUPS:
        points = sorted(estimates.get(name, {}).items())
        if not points:
            continue
        sizes = [size for size, _ in points]
        value, low, high = np.array([e for _, e in points], np.float64).T
        axes.fill_between(sizes, low, high, color=GROUP_COLORS[name], alpha=0.2, linewidth=0)
        style = "s--" if name == "train" else "o-"
        axes.plot(sizes, value, style, color=GROUP_COLORS[name], label=LABELS.get(name, name), zorder=3)


def left_out(present: Mapping[str, Sequence[int]], sizes: Sequence[int], min_share: float) -> str:
    """Which classes are missing at which K, for a figure's foot."""
    missing = {name: [s for s in sizes if s not in present.get(name, ())] for name in CLASSES}
    parts = [f"{name} at K = {', '.join(f'{s:,}' for s in gone)}" for name, gone in missing.items() if gone]
    return f"left out, with less than {100 * min_share:g} % of the samples: {'; '.join(parts)}" if parts else ""


def _foot(figure: Figure, text: str) -> None:
    if text:
        wrapped = textwrap.fill(text, int(21 * figure.get_figwidth()))
        figure.supxlabel(wrapped, fontsize=6, color="0.35")


def against_size(estimates: Curves, sizes: list[int], label: str, note: str) -> Figure:
    """One quantity of each class against K."""
    figure, ((axes,),) = subplots(height=2.7)
    curves(axes, estimates)
    size_axis(axes, sizes)
    axes.set_ylabel(label)
    figure.legend(loc="outside upper center", ncols=2)
    _foot(figure, note)
    return figure


def basin_scan(
    findings: Mapping[float, Mapping[str, Mapping[int, BasinFinding]]], sizes: list[int], note: str
) -> Figure:
    """Log-volumes at several thresholds: what hangs on delta."""
    figure, (grid,) = subplots(1, len(findings), width=PAGE, height=2.5, sharey=True)
    for axes, (factor, found) in zip(grid, findings.items(), strict=True):
        curves(axes, {name: {k: f.log_volume for k, f in rows.items()} for name, rows in found.items()})
        size_axis(axes, sizes, gap=0.4)
        axes.set_title(rf"$\delta$ x {factor:g}")
        axes.set_xlabel("$K$")
    grid[0].set_ylabel("log-volume")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    _foot(figure, note)
    return figure


Spectra = Mapping[int, Mapping[str, Float[np.ndarray, "n d"]]]
"""Normalised spectra by K and class."""


def spectra(found: Spectra, sigma: float, time: int, skip: int, note: str) -> Figure:
    """Spectra of each class for several K: mean and standard deviation, the largest values left out."""
    sizes = chosen_sizes(sorted(found), 4)
    figure, (grid,) = subplots(1, len(sizes), width=PAGE, height=2.4, sharey=True)
    for axes, size in zip(grid, sizes, strict=True):
        for name in CLASSES:
            if name not in found[size]:
                continue
            values = found[size][name][:, skip:] * sigma**2
            order = np.arange(skip + 1, skip + 1 + values.shape[1])
            mean, std = values.mean(axis=0), values.std(axis=0)
            axes.fill_between(order, mean - std, mean + std, color=COLORS[name], alpha=0.2, linewidth=0)
            axes.plot(order, mean, color=COLORS[name], label=name)
        axes.set_title(f"$K$ = {size:,}")
        axes.set_xlabel("order")
        axes.set_ylim(bottom=0)
    grid[0].set_ylabel(rf"singular value x $\sigma_t^2$, t = {time}")
    handles = {label: h for axes in grid for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3)
    _foot(figure, note)
    return figure


def spectra_train(found: Spectra, sigma: float, time: int, skip: int) -> Figure:
    """Mean spectra at training points, coloured by K from purple (small) to red (large)."""
    figure, ((axes,),) = subplots(height=3.0)
    colors = plt.get_cmap("rainbow")(np.linspace(0, 1, len(found)))
    for color, (size, groups) in zip(colors, sorted(found.items()), strict=True):
        values = groups["train"][:, skip:].mean(axis=0) * sigma**2
        axes.plot(np.arange(skip + 1, skip + 1 + len(values)), values, color=color, label=f"{size:,}")
    axes.set(xlabel="order", ylabel=rf"singular value x $\sigma_t^2$, t = {time}")
    axes.set_ylim(bottom=0)
    if len(found) <= 16:
        figure.legend(title="$K$", loc="outside upper center", ncols=4, columnspacing=1)
    return figure


def dimension(found: Mapping[str, Mapping[int, DimensionFinding]], sizes: list[int], time: int, note: str) -> Figure:
    """Both estimates of dimension against K."""
    figure, ((left, right),) = subplots(1, 2, width=PAGE, height=2.6, sharey=True)
    curves(left, {name: {k: f.by_gap for k, f in rows.items()} for name, rows in found.items()})
    curves(right, {name: {k: f.by_threshold for k, f in rows.items()} for name, rows in found.items()})
    for axes, title in ((left, "by the largest gap"), (right, "by threshold")):
        size_axis(axes, sizes, gap=0.15)
        axes.set_title(f"{title}, t = {time}")
    left.set_ylabel("dimension")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    _foot(figure, note)
    return figure


def energy_gap(references: Mapping[int, Mapping[str, Mapping[int, GapFinding]]], sizes: list[int], note: str) -> Figure:
    """Gap to training points against K, with the standard deviation over each class; a panel for each reference."""
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
        size_axis(axes, sizes, gap=0.15)
        axes.set_ylabel("energy gap")
    for axes in grid.flat[: max(0, len(references) - columns)]:  # the lowest of each column has the axis
        axes.set_xlabel("")
    for axes in grid.flat[max(0, len(references) - columns) : len(references)]:
        axes.tick_params(labelbottom=True)
    for axes in grid.flat[len(references) :]:
        axes.set_axis_off()
    handles = {label: h for axes in grid.flat for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3)
    _foot(figure, note)
    return figure
