"""Phases over training time: maps over K and steps, curves against steps / K, and when memorization begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from amdiff.phases.classes import CLASSES
from amdiff.phases.generalization import (
    ModelLosses,
    Step,
    best_step,
    excess,
    generalizes,
    standard_levels,
)
from amdiff.phases.intervals import Estimate
from amdiff.phases.training_time import Crossing, crossing, slope, window

from .curves import foot
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
    losses: Mapping[int, Mapping[int, ModelLosses]] = field(default_factory=dict)
    """Losses by K and step, in increasing order; empty where they were not measured or there are no held-out images."""
    dips: Mapping[tuple[int, int], tuple[float, float] | None] = field(default_factory=dict)
    """p-values of the dip test for one mode among the distances to S and to other samples, by (K, step)."""

    @cached_property
    def levels(self) -> np.ndarray:
        """Noise levels at which the closed form of the pool is a standard for all models."""
        return standard_levels([m for steps in self.losses.values() for m in steps.values()], self.confidence)

    @cached_property
    def generalizes(self) -> dict[int, Step]:
        """Where generalization begins, by K; empty where no noise level has a standard."""
        if not self.losses or not self.levels.any():
            return {}
        return {
            size: generalizes(list(steps), np.array([excess(m, self.levels) for m in steps.values()]), self.confidence)
            for size, steps in self.losses.items()
        }

    @cached_property
    def stops(self) -> dict[int, Step]:
        """The step with the smallest held-out loss, by K."""
        return {
            size: best_step(list(steps), np.array([m.heldout_means for m in steps.values()]), self.confidence)
            for size, steps in self.losses.items()
        }

    @cached_property
    def windows(self) -> dict[int, tuple[int, int]]:
        """The first and the last step at which the spurious share exceeds half of its peak, by K."""
        found = {size: window(*(a.tolist() for a in self.curve(size, "spurious"))) for size in self.found}
        return {size: w for size, w in found.items() if w is not None}

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
        return self._slope({size: c.value for size, c in self.begins.items() if c.value is not None})

    @cached_property
    def slope_of_generalization(self) -> Estimate | None:
        """Slope of log tau_gen against log K, over the K at which it was seen."""
        return self._slope({size: s.value for size, s in self.generalizes.items() if not s.censored})

    def _slope(self, values: Mapping[int, float]) -> Estimate | None:
        x, y = (np.log(np.array(list(numbers), np.float64)) for numbers in (values.keys(), values.values()))
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


def time_losses(content: Content) -> Figure:
    """Held-out and training loss over the steps, as means over noise levels, with the step of the smallest one."""
    figure, ((left, right),) = subplots(1, 2, width=PAGE, height=2.8)
    if not content.losses:
        figure.set_label(HIDDEN)
        left.text(0.5, 0.5, "no held-out loss was measured", ha="center", va="center")
    for size, color in content.coloured():
        models = content.losses.get(size, {})
        steps = list(models)
        if not steps:
            continue
        held = [float(m.heldout_means.mean()) for m in models.values()]
        left.plot(steps, held, "-", color=color, label=f"$K$ = {size:,}")
        left.plot(steps, [float((m.train["loss"] @ m.weights).mean()) for m in models.values()], "--", color=color)
        stop = int(content.stops[size].value)
        left.plot([stop], [held[steps.index(stop)]], "o", color=color, markersize=4)
        if content.levels.any():
            beyond = [float(excess(m, content.levels).mean()) for m in models.values()]
            right.plot(steps, beyond, "-", color=color)
            if size in content.generalizes:
                gen = content.generalizes[size].value
                right.plot([gen], [np.interp(np.log(gen), np.log(steps), beyond)], "s", color=color, markersize=4)
    for axes, label in ((left, "noise-prediction loss"), (right, "excess held-out loss")):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("training steps")
        axes.set_ylabel(label)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=6)
    foot(figure, content.note)
    return figure


def time_memorizes(content: Content) -> Figure:
    """The steps at which memorization and generalization begin, and the window of spurious samples, against K."""
    figure, ((axes,),) = subplots(height=2.8)
    seen = {size: c for size, c in content.begins.items() if c.value is not None}
    windows = content.windows
    if not seen and not windows and not content.generalizes:
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
    if begins := content.generalizes:
        steps, low, high = ([getattr(b, end) for b in begins.values()] for end in ("value", "low", "high"))
        axes.vlines(list(begins), low, high, color=COLORS["generalized"], linewidth=1)
        axes.plot(list(begins), steps, "s--", color=COLORS["generalized"], label=r"$\tau_\mathrm{gen}$")
    size_axis(axes, list(content.found))
    axes.set_yscale("log")
    axes.set_ylabel("training steps")
    axes.legend()
    foot(figure, content.note)
    return figure
