"""Helpers for figures and tables of the energy landscape: one quantity of each class against K."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from amdiff.landscape.targets import GROUPS
from amdiff.phases.classes import CLASSES
from amdiff.phases.intervals import Estimate

from .style import COLORS, size_axis, subplots

GROUP_COLORS = {"train": "black", **COLORS}
LABELS = {"train": "training points"}

ENDS = ("value", "low", "high")
"""Keys of an estimate that is stored as plain data, in the order of ``triple``."""

Curves = Mapping[str, Mapping[int, Estimate]]
"""Estimates by class and K. A class that is left out at some K has no entry there."""


def curves(axes: Axes, estimates: Curves, doubted: Collection[tuple[str, int]] = ()) -> None:
    """Draw a line with its confidence band for each class. The points (class, K) in ``doubted`` have open symbols."""
    for name in GROUPS:
        points = sorted(estimates.get(name, {}).items())
        if not points:
            continue
        sizes = [size for size, _ in points]
        value, low, high = np.array([e for _, e in points], np.float64).T
        axes.fill_between(sizes, low, high, color=GROUP_COLORS[name], alpha=0.2, linewidth=0)
        style = "s--" if name == "train" else "o-"
        axes.plot(sizes, value, style, color=GROUP_COLORS[name], label=LABELS.get(name, name), zorder=3)
        hollow = [(k, e.value) for k, e in points if (name, k) in doubted]
        if hollow:
            axes.plot(*zip(*hollow, strict=True), style[0], color=GROUP_COLORS[name], markerfacecolor="white", zorder=4)


def left_out(present: Mapping[str, Sequence[int]], sizes: Sequence[int], min_share: float) -> str:
    """Say which classes are missing at which K, for the note below a figure. Empty if none is missing."""
    missing = {name: [s for s in sizes if s not in present.get(name, ())] for name in CLASSES}
    parts = [f"{name} at K = {', '.join(f'{s:,}' for s in gone)}" for name, gone in missing.items() if gone]
    return f"left out, since it has less than {100 * min_share:g} % of the samples: {'; '.join(parts)}" if parts else ""


def foot(figure: Figure, text: str) -> None:
    """Write a note in small type below a figure."""
    if text:
        wrapped = textwrap.fill(text, int(21 * figure.get_figwidth()))
        figure.supxlabel(wrapped, fontsize=6, color="0.35")


def against_size(
    estimates: Curves,
    sizes: list[int],
    label: str,
    note: str,
    doubted: Collection[tuple[str, int]] = (),
    null: Mapping[int, float] | None = None,
) -> Figure:
    """A figure of one quantity of each class against K.

    ``label`` names the quantity, and ``note`` stands below. The points (class, K) in ``doubted`` have open symbols.
    ``null`` is the quantity of a null denoiser by K, for a dashed line.
    """
    figure, ((axes,),) = subplots(height=2.7)
    curves(axes, estimates, doubted)
    if null:
        axes.plot(list(null), list(null.values()), "--", color="0.5", linewidth=1, label="null denoiser")
    size_axis(axes, sizes)
    axes.set_ylabel(label)
    figure.legend(loc="outside upper center", ncols=2)
    foot(figure, note)
    return figure


def ends(estimate: Estimate) -> list[float | None]:
    """Value and interval, for a table; None for NaN, as the interval is where there is only one group."""
    return [None if math.isnan(v) else v for v in estimate]


def triple(name: str) -> list[str]:
    """Names of the columns of an estimate: value, lower end, upper end."""
    return [name, f"{name}_low", f"{name}_high"]
