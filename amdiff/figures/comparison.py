"""Experiments side by side (fig. 7-9, tables 1-3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from amdiff.config import ExperimentSpec
from amdiff.phases.classes import CLASSES

from .page import Table, make_table
from .style import COLUMN, PAGE, label_values, size_axis, subplots

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, one for each experiment. After seven experiments they repeat."""


@dataclass(frozen=True)
class Side:
    """One experiment, as a comparison shows it."""

    name: str
    spec: ExperimentSpec
    parameters: int
    """Number of the network's parameters; 0 for a closed-form denoiser."""
    images: int
    """Number of training images in the dataset."""
    shape: tuple[int, ...]
    """(C, H, W) of an image."""
    shares: list[dict[str, Any]]
    """Rows of fractions.csv, in the order of K."""
    thresholds: list[dict[str, Any]]
    """Rows of thresholds.csv."""
    transition: tuple[int, int] | None
    """K at which the memorized share starts to fall, and K at which it has fallen; None where it does not fall."""

    @property
    def peak(self) -> dict[str, Any]:
        """The row with the largest spurious share."""
        return max(self.shares, key=lambda row: float(row["spurious"]))

    @property
    def other_peaks(self) -> list[int]:
        """Other K at which it would be largest, with thresholds that are found without one K of the sweep."""
        if not float(self.peak["spurious"]):
            return []
        found = {int(row["peak_without"]) for row in self.shares if row["peak_without"]}
        return sorted(found - {int(self.peak["K"])})

    @property
    def about(self) -> str:
        """What its intervals are over."""
        several = isinstance(self.spec, ExperimentSpec) and self.spec.replicates is not None
        return "runs" if several else "one training" if self.spec.trained else "samples"


def warnings(sides: Sequence[Side]) -> list[str]:
    """A sentence for each experiment that has implausible samples at some K."""
    found = {side.name: [row["K"] for row in side.shares if row.get("implausible") == "1"] for side in sides}
    return [
        f"The samples of {name} look like no real image at K = {', '.join(sizes)}. Its report gives the numbers."
        for name, sizes in found.items()
        if sizes
    ]


Content = Sequence[Side]
"""The experiments that are compared."""


def comparison(sides: Content) -> Figure:
    """Share of each class against K, one colour for each experiment."""
    figure, (grid,) = subplots(1, len(CLASSES), width=PAGE, height=2.6)
    every = sorted({int(row["K"]) for side in sides for row in side.shares})
    for axes, name in zip(grid, CLASSES, strict=True):
        for i, side in enumerate(sides):
            sizes = [int(row["K"]) for row in side.shares]
            value, low, high = (np.array([float(row[f"{name}{end}"]) for row in side.shares])
                                for end in ("", "_low", "_high"))  # fmt: skip
            color = COLORS[i % len(COLORS)]
            axes.fill_between(sizes, low, high, color=color, alpha=0.18, linewidth=0)
            axes.plot(sizes, value, "o-", color=color, markersize=2.5, label=side.name)
        size_axis(axes, every, gap=0.3)
        axes.set_title(name)
        axes.set_ylim(bottom=-0.02)
    grid[0].set_ylabel("share of samples")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=min(len(sides), 4))
    return figure


def capacity(sides: Content) -> Figure:
    """K of the spurious peak against the number of the network's parameters.

    A line shows the range of K in which the memorized share falls.
    """
    figure, axes = plt.subplots(figsize=(COLUMN, 2.6))
    for i, side in enumerate(sides):
        color = COLORS[i % len(COLORS)]
        x = max(side.parameters, 1)
        if side.transition is not None:
            axes.plot([x, x], side.transition, "-", color=color, linewidth=1.2, alpha=0.5)
        peaks = [int(side.peak["K"])] if float(side.peak["spurious"]) > 0 else []  # no spurious, no peak
        axes.plot([x] * len(peaks), peaks, "o", color=color, label=side.name)
        others = side.other_peaks if peaks else []
        axes.plot([x] * len(others), others, "o", color=color, markerfacecolor="white", markersize=4)
    sizes = [int(row["K"]) for side in sides for row in side.shares]
    parameters = [max(side.parameters, 1) for side in sides]
    axes.set_xlim(min(parameters) / 1.3, max(parameters) * 1.3)
    axes.set_ylim(min(sizes) / 1.3, max(sizes) * 1.3)
    axes.set_xscale("log")
    axes.set_yscale("log")
    label_values(axes.xaxis, parameters, 0.15, lambda value: _short.format_eng(value).replace(" ", ""))
    label_values(axes.yaxis, sorted(sizes), 0.08)
    axes.set_xlabel("parameters")
    axes.set_ylabel("$K$ of the spurious peak")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


_short = EngFormatter(places=0)


def sentences(sides: Sequence[Side]) -> list[str]:
    """One sentence for each experiment: its spurious peak, and where its memorized share falls."""
    found = []
    for side in sides:
        row = side.peak
        value, low, high = (float(row[f"spurious{end}"]) for end in ("", "_low", "_high"))
        text = (
            f"{side.name}: the spurious share is largest at K = {int(row['K']):,}, {value:.1%} [{low:.1%}, {high:.1%}]"
        )
        if others := ", ".join(f"{size:,}" for size in side.other_peaks):
            text += f" (with thresholds that are found without one K, at K = {others})"
        if side.transition is not None:
            text += f"; the memorized share falls from K = {side.transition[0]:,} to {side.transition[1]:,}"
        found.append(f"{text}.")
    return found


def tables(sides: Sequence[Side]) -> list[Table]:
    """Four tables: spurious peaks, transitions (table 1), thresholds (table 2), configurations (table 3)."""
    peaks, transitions, thresholds, configurations = [], [], [], []
    for side in sides:
        row, spec = side.peak, side.spec
        peaks.append([side.name, side.parameters, int(row["K"]), int(row["n_synthetic"]),
                      *(float(row[f"spurious{end}"]) for end in ("", "_low", "_high")), int(row["set_size"]),
                      " ".join(map(str, side.other_peaks)) or None, side.about])  # fmt: skip
        fall, plateau = side.transition or (None, None)
        transitions.append([side.name, spec.dataset, fall, plateau, side.images, len(side.shares)])
        values = {(t["delta_m"], t["delta_s"], t["delta_m_method"], t["delta_s_method"]) for t in side.thresholds}
        for t in side.thresholds[:1] if len(values) == 1 else side.thresholds:
            size = "all" if len(values) == 1 else int(t["K"])
            thresholds.append([side.name, spec.neighbors.metric, size, float(t["delta_m"]), t["delta_m_method"],
                               float(t["delta_s"]), t["delta_s_method"]])  # fmt: skip
        trained = spec.trained
        configurations.append([
            side.name, spec.dataset, "x".join(map(str, side.shape)), spec.denoiser.kind,
            getattr(spec.denoiser, "width", None),
            " ".join(map(str, getattr(spec.denoiser, "multipliers", ()))) or None,
            side.parameters,
            spec.training.iterations if trained else None,
            spec.training.batch_size if trained else None,
            getattr(spec.denoiser, "dropout", None),
        ])  # fmt: skip
    return [
        make_table(
            "comparison", "Spurious peaks",
            ["experiment", "parameters", "K", "n_synthetic", "spurious", "spurious_low", "spurious_high", "set_size",
             "other_peaks", "intervals"], peaks,
            note="The share is that of set_size samples; there are n_synthetic. other_peaks: K at which the share is "
            "largest with thresholds that are found without one K of the sweep. intervals: what they are over; 'one "
            "training' of each model says nothing of other trainings.",
        ),
        make_table(
            "transitions", "Transitions (table 1)", ["experiment", "dataset", "A", "B", "N", "models"], transitions,
            note="A: K at which the memorized share starts to fall; B: K at which it has fallen. Both are chosen among "
            "the K that were run, by the rule that the grids of sizes follow. N: training images in the dataset.",
        ),
        make_table(
            "thresholds", "Thresholds (table 2)",
            ["experiment", "metric", "K", "delta_m", "delta_m_method", "delta_s", "delta_s_method"], thresholds,
        ),
        make_table(
            "configurations", "Configurations (table 3)",
            ["experiment", "dataset", "image", "network", "width", "multipliers", "parameters", "iterations",
             "batch_size", "dropout"], configurations,
        ),
    ]  # fmt: skip
