"""Fractions against K (fig. 4A), histograms of distances (fig. 3), sensitivity, and samples (fig. 1B, 13-15)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from amdiff.phases.classes import CLASSES
from amdiff.phases.distances import Distances

from .curves import foot
from .gallery import Gallery
from .histograms import histograms
from .panels import attractor_panel, panel
from .phases_sentences import Summary, most_spurious
from .style import COLORS, HIDDEN, PAGE, chosen_sizes, label_values, size_axis, subplots

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
    note: str
    """Training length and sampler, for the notes below figures; may be empty."""
    over: str = ""
    """The note below figures of the shares where ``summaries`` has those over several runs. Default empty."""

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
    known = [s for s in summaries if s["near_copies"] and not content.over]  # known of the first run only
    for part, line, label in (("near", ":", "spurious near copies"), ("new", "--", "spurious and new")):
        if known:
            values = [s["near_copies"]["spurious"][part]["value"] for s in known]
            axes.plot([s["size"] for s in known], values, line, color=COLORS["spurious"], linewidth=1, label=label)
    size_axis(axes, sizes)
    axes.set_ylabel("share of samples")
    axes.set_ylim(-0.02, 1.02)
    figure.legend(loc="outside upper center", ncols=2)
    foot(figure, content.over or content.note)
    return figure


def set_size(content: Content) -> Figure:
    """Spurious share against the number of samples per training image, one line for each K."""
    figure, ((axes,),) = subplots(height=2.7)
    shown = chosen_sizes([s["size"] for s in content.summaries], 8)
    for shade, summary in zip(
        np.linspace(0.15, 0.9, len(shown)), (s for s in content.summaries if s["size"] in shown), strict=True
    ):
        found = summary["by_set_size"]
        sizes = np.array(found["sizes"]) / summary["size"]
        color = plt.colormaps["viridis"](shade)
        axes.plot(sizes, found["spurious"], "o-", markersize=2.5, color=color, label=f"$K$ = {summary['size']:,}")
    if per_image := content.summaries[0]["per_image"]:
        axes.axvline(per_image, color="black", linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    axes.set(xlabel="samples per training image, $|S'|/K$", ylabel="spurious share")
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside right upper")
    foot(figure, content.note)
    return figure


def distances(content: Content) -> Figure:
    """Histograms of nearest distances for several K, with the thresholds; on top the density of all K together."""
    return histograms(content.sweep, content.thresholds, content.bandwidth, content.label)


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
