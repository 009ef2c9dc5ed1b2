"""Phases over training time: maps over K and steps, curves against steps / K, and when memorization begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from amdiff.phases.classes import CLASSES
from amdiff.phases.intervals import Estimate
from amdiff.phases.training_time import MEMORIZES, Crossing, crossing, slope, window

from .curves import ENDS, foot, triple
from .page import Table, make_table
from .phases_sentences import Summary
from .style import COLORS, HIDDEN, PAGE, size_axis, subplots


@dataclass(frozen=True)
class Content:
    """The classes at every K and step."""

    found: Mapping[int, Mapping[int, Summary]]
    """Results of the stage ``classify``, by K and step, both in increasing order."""
    confidence: float
    """Level of the intervals."""
    note: str
    """Training length and sampler."""

    @cached_property
    def begins(self) -> dict[int, Crossing]:
        """Where memorization begins, by K."""
        return {
            size: crossing(list(steps), [Estimate(**s["fractions"]["memorized"]) for s in steps.values()])
            for size, steps in self.found.items()
        }

    @cached_property
    def slope(self) -> Estimate | None:
        """Slope of log tau_mem against log K, over the K at which memorization was seen to begin."""
        seen = [(size, c.value) for size, c in self.begins.items() if c.value is not None]
        x, y = (np.log(np.array(values, float)) for values in zip(*seen, strict=True)) if seen else (np.empty(0),) * 2
        return slope(x, y, self.confidence)

    def curve(self, size: int, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps, and the share of a class at each of them."""
        steps = self.found[size]
        return np.array(list(steps)), np.array([s["fractions"][name]["value"] for s in steps.values()])

    def coloured(self) -> Iterator[tuple[int, Any]]:
        """Each K with its colour, from dark (small) to bright (large)."""
        shades = np.linspace(0.1, 0.9, len(self.found))
        return zip(self.found, map(plt.colormaps["viridis"], shades), strict=True)


def time_maps(content: Content) -> Figure:
    """The share of each class at every K and step."""
    figure, (row,) = subplots(1, 3, width=PAGE, height=2.6, sharey=True)
    sizes = list(content.found)
    for axes, name in zip(row, CLASSES, strict=True):
        for place, size in enumerate(sizes):
            steps, shares = content.curve(size, name)
            edges = _edges(steps)
            image = axes.pcolormesh([place - 0.5, place + 0.5], edges, shares[:, None], vmin=0, vmax=1, cmap="magma")
        axes.set_yscale("log")
        axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes], rotation=90)
        axes.set_title(name)
        axes.set_xlabel("training-set size $K$")
    row[0].set_ylabel("training steps")
    figure.colorbar(image, ax=row[-1], label="share of samples")
    foot(figure, content.note)
    return figure


def _edges(steps: np.ndarray) -> np.ndarray:
    """Borders between the steps on a logarithmic axis."""
    logs = np.log(steps)
    if len(logs) == 1:
        return np.exp(np.array([logs[0] - 0.5, logs[0] + 0.5]))
    middle = (logs[1:] + logs[:-1]) / 2
    return np.exp(np.concatenate([[2 * logs[0] - middle[0]], middle, [2 * logs[-1] - middle[-1]]]))


def time_curves(content: Content) -> Figure:
    """Memorized and spurious shares against the steps, and against steps / K."""
    figure, grid = subplots(2, 2, width=PAGE, height=4.2, sharey="row")
    for (left, right), name in zip(grid, ("memorized", "spurious"), strict=True):
        for size, color in content.coloured():
            steps, shares = content.curve(size, name)
            left.plot(steps, shares, "o-", markersize=2.5, color=color, label=f"$K$ = {size:,}")
            right.plot(steps / size, shares, "o-", markersize=2.5, color=color)
        for axes in (left, right):
            axes.set_xscale("log")
        left.set_ylabel(name)
    grid[1, 0].set_xlabel("training steps")
    grid[1, 1].set_xlabel("training steps / $K$")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    foot(figure, content.note)
    return figure


def time_memorizes(content: Content) -> Figure:
    """The step at which memorization begins, and the window of spurious samples, against K."""
    figure, ((axes,),) = subplots(height=2.8)
    seen = {size: c for size, c in content.begins.items() if c.value is not None}
    windows = _windows(content)
    if not seen and not windows:
        figure.set_label(HIDDEN)
        axes.text(0.5, 0.5, "no K memorizes, and none has spurious samples", ha="center", va="center")
        axes.set_axis_off()
        return figure
    for size, c in seen.items():
        steps = list(content.found[size])
        axes.vlines(size, c.low or steps[0], c.high or steps[-1], color=COLORS["memorized"], linewidth=1)
    values = [c.value for c in seen.values()]
    axes.plot(list(seen), values, "o-", color=COLORS["memorized"], label=r"$\tau_\mathrm{mem}$")
    for size, (first, last) in windows.items():
        label = "spurious window" if size == next(iter(windows)) else None
        axes.vlines(size * 1.06, first, last, color=COLORS["spurious"], linewidth=3, alpha=0.5, label=label)
    size_axis(axes, list(content.found))
    axes.set_yscale("log")
    axes.set_ylabel("training steps")
    axes.legend()
    foot(figure, content.note)
    return figure


def _windows(content: Content) -> dict[int, tuple[int, int]]:
    """The first and the last step at which the spurious share exceeds half of its peak, by K."""
    found = {size: window(*(a.tolist() for a in content.curve(size, "spurious"))) for size in content.found}
    return {size: w for size, w in found.items() if w is not None}


def snapshots_tables(content: Content) -> list[Table]:
    """The shares at every K and step, and when memorization begins at each K."""
    rows = [
        [size, step, step / size, *(s["fractions"][name][key] for name in CLASSES for key in ENDS), s["set_size"]]
        for size, steps in content.found.items()
        for step, s in steps.items()
    ]
    windows = _windows(content)
    begins = [
        [size, c.value, c.low, c.high, c.censored, *windows.get(size, (None, None)),
         float(content.curve(size, "spurious")[1].max())]
        for size, c in content.begins.items()
    ]  # fmt: skip
    names = ["K", "step", "step_per_image", *(c for name in CLASSES for c in triple(name)), "set_size"]
    return [
        make_table(
            "time", "Phases over training time", names, rows,
            note="The shares of each class at a snapshot of the averaged weights. The thresholds are those of the "
            "whole trainings.",
        ),
        make_table(
            "time_begins", "When memorization begins",
            ["K", "tau_mem", "tau_mem_low", "tau_mem_high", "censored", "window_first", "window_last", "spurious_peak"],
            begins,
            note=f"tau_mem: step at which the memorized share crosses {MEMORIZES:.0%}, interpolated in log step; low "
            "and high: where its limits cross. censored: whether it crosses before the first or after the last step. "
            "window_first and window_last: first and last step at which the spurious share exceeds half of its peak "
            "over the steps.",
        ),
    ]  # fmt: skip


def snapshots_sentences(content: Content) -> list[str]:
    """Say how the beginning of memorization depends on K."""
    seen = [size for size, c in content.begins.items() if c.value is not None]
    if content.slope is None:
        return [
            f"Memorization was seen to begin, at {MEMORIZES:.0%} of the samples, at {len(seen)} of "
            f"{len(content.found)} K. That is too few for a law of its time."
        ]
    found = content.slope
    verdict = (
        "This agrees with a time in proportion to K" if found.low <= 1 <= found.high else "This is no proportion to K"
    )
    unseen = {
        when: ", ".join(f"{size:,}" for size, c in content.begins.items() if c.censored == when)
        for when in ("before", "after")
    }
    left_out = [
        text.format(sizes)
        for when, text in (
            ("before", "It had begun before the first step at K = {}."),
            ("after", "It had not begun at the last step at K = {}, which is left out."),
        )
        if (sizes := unseen[when])
    ]
    return [
        f"Memorization begins, at {MEMORIZES:.0%} of the samples, after a number of steps that grows as K to the power "
        + " ".join(
            [
                f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}], over {len(seen)} K.",
                *left_out,
                f"{verdict} (1, Bonnaire et al. 2025).",
            ]
        )
    ]
