"""Losses on training images and on held-out images, and the distance of the score to closed forms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from amdiff.phases.generalization import ModelLosses
from amdiff.phases.intervals import Estimate

from .curves import foot, triple
from .page import Table, make_table
from .style import PAGE, chosen_sizes, size_axis, subplots

GROUPS = {"train": "training images", "heldout": "held-out images"}
CLOSED = {"set": "$S$", "pool": "the pool", "gaussian": "a Gaussian"}
"""The closed forms: their keys, and their names in figures."""

NONE: Sequence[float | None] = (None, None, None)
MOST_CURVES = 6
"""Most K that have curves of their own against the noise."""


@dataclass(frozen=True)
class Content:
    """The losses of a sweep."""

    found: Mapping[int, ModelLosses]
    """Losses of each model, by K."""
    confidence: float
    """Level of the intervals."""
    note: str
    """Training length and sampler."""

    def coloured(self) -> Iterator[tuple[int, ModelLosses, Any]]:
        """Some of the K with their losses and colours, from dark (small) to bright (large)."""
        sizes = chosen_sizes(list(self.found), MOST_CURVES)
        shades = map(plt.colormaps["viridis"], np.linspace(0.1, 0.9, len(sizes)))
        return ((size, self.found[size], shade) for size, shade in zip(sizes, shades, strict=True))


def held_out_loss(content: Content) -> Figure:
    """Training and held-out loss: their means against K, and against the noise."""
    figure, ((left, right),) = subplots(1, 2, width=PAGE, height=3.0)
    sizes = list(content.found)
    for group, style in (("train", "s--"), ("heldout", "o-")):
        means = {k: m for k, f in content.found.items() if (m := f.mean(group, "loss", content.confidence)) is not None}
        if means:
            value, low, high = np.array(list(means.values())).T
            left.fill_between(list(means), low, high, color="0.3", alpha=0.2, linewidth=0)
            left.plot(list(means), value, style, color="0.3", label=GROUPS[group])
    left.set_ylabel("noise-prediction loss")
    left.set_yscale("log")
    size_axis(left, sizes, gap=0.15)
    for _, found, color in content.coloured():
        for values, style in ((found.train, "--"), (found.heldout, "-")):
            if values is not None:
                right.plot(found.noise_to_signal, values["loss"].mean(axis=0), style, color=color)
        if found.heldout is not None and "loss_pool" in found.heldout:
            right.plot(found.noise_to_signal, found.heldout["loss_pool"].mean(axis=0), ":", color="0.5", linewidth=1)
    right.set_ylabel("noise-prediction loss")
    _against_noise(figure, right, content)
    right.set_ylim(top=2)  # above 1, it is better to predict no noise at all
    left.legend(loc="best")
    foot(figure, content.note)
    return figure


def score_distances(content: Content) -> Figure:
    """Distance of the predicted noise to that of each closed form, against the noise."""
    figure, (row,) = subplots(1, 3, width=PAGE, height=2.8, sharey=True)
    for axes, (key, words) in zip(row, CLOSED.items(), strict=True):
        for _, found, color in content.coloured():
            for values, style in ((found.train, "--"), (found.heldout, "-")):
                if values and (distance := values.get(f"distance_{key}")) is not None and distance.any():
                    axes.plot(found.noise_to_signal, distance.mean(axis=0), style, color=color)
        axes.set_title(f"to {words}")
        _against_noise(figure if axes is row[0] else None, axes, content)
    row[0].set_ylabel("mean squared difference of noise")
    foot(figure, content.note)
    return figure


def _against_noise(figure: Figure | None, axes: Any, content: Content) -> None:
    """Set up axes of the noise; ``figure`` gets the legend of K."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("noise-to-signal ratio")
    if figure is not None:
        lines = [Line2D([], [], color=color, label=f"$K$ = {size:,}") for size, _, color in content.coloured()]
        figure.legend(handles=lines, loc="outside upper center", ncols=MOST_CURVES)


def losses_table(content: Content) -> Table:
    """Losses and distances at each K and noise level."""
    kinds = ["loss", *(f"{what}_{key}" for what in ("loss", "distance") for key in CLOSED)]
    names = [f"{kind}_{group}" for group in GROUPS for kind in kinds]
    rows = []
    for size, found in content.found.items():
        columns: list[Sequence[Sequence[float | None]]] = [
            found.at_levels(group, kind, content.confidence) or [NONE] * len(found.times)
            for group in GROUPS
            for kind in kinds
        ]
        for i, (time, ratio) in enumerate(zip(found.times.tolist(), found.noise_to_signal.tolist(), strict=True)):
            numbers = (None if number is None or math.isnan(number) else number for c in columns for number in c[i])
            rows.append([size, time, ratio, *numbers])
    pools = [f"{pool:,}" for pool in sorted({found.pool for found in content.found.values()})]
    return make_table(
        "losses", "Losses by noise level", ["K", "t", "noise_to_signal", *(c for name in names for c in triple(name))],
        rows,
        note="loss: mean squared error of the predicted noise, in units of its variance, on some training and "
        "held-out images with the same noise. loss_set, loss_pool, loss_gaussian: the same for closed forms of the "
        f"training set, of a pool of {' to '.join(pools[:: max(1, len(pools) - 1)])} images without the held-out ones, "
        "and of a Gaussian of that pool; empty where they are too large to compute. "
        "distance_*: mean squared difference between the noise that the model and each of them predict.",
    )  # fmt: skip


def losses_sentences(content: Content) -> list[str]:
    """Say how far the held-out loss exceeds the training loss at both ends of the sweep."""
    ends = {}
    for size, found in content.found.items():
        train, held = (found.mean(group, "loss", content.confidence) for group in GROUPS)
        if train is not None and held is not None:
            ends[size] = (train, held)
    if not ends:
        return ["There are no held-out images, so no held-out loss was measured."]
    told = [_told(size, *ends[size]) for size in dict.fromkeys((min(ends), max(ends)))]
    levels = len(next(iter(content.found.values())).times)
    return [f"The noise-prediction loss, as the mean over {levels} noise levels, is {', and '.join(told)}."]


def _told(size: int, train: Estimate, held: Estimate) -> str:
    doubt = ""
    if math.isnan(train.low) or math.isnan(held.low):
        doubt = " (too few images to tell them apart)"
    elif math.hypot(train.high - train.value, held.high - held.value) >= abs(held.value - train.value):
        doubt = " (no sure difference)"
    return f"{train.value:.3g} on training images and {held.value:.3g} on held-out images at K = {size:,}{doubt}"
