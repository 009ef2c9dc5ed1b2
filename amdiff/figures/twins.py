"""Twins: coincidences, and agreement from the same noise, against K."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from amdiff.phases.intervals import Estimate
from amdiff.phases.shown import percent

from .curves import ENDS, triple
from .page import Table, make_table
from .style import COLORS, HIDDEN, PAGE, size_axis, subplots


@dataclass(frozen=True)
class Content:
    """The twins of a sweep."""

    found: Sequence[dict[str, Any]]
    """Results of the stage ``twins`` for each K."""


def coincidences(content: Content) -> Figure:
    """Left, the spurious share beside the one that coincidence gives; right, the agreement from the same noise."""
    figure, ((left, right),) = subplots(1, 2, width=PAGE, height=2.6)
    sizes = [f["size"] for f in content.found]
    if len(sizes) == 1:
        figure.set_label(HIDDEN)  # one point is no curve
    for axes, name, color, label in (
        (left, "spurious", COLORS["spurious"], "spurious"),
        (left, "coincidence", "0.4", "by coincidence"),
        (right, "agreement", COLORS["generalized"], r"within $\delta_s$"),
    ):
        value, low, high = (np.array([f[name][key] for f in content.found]) for key in ENDS)
        axes.fill_between(sizes, low, high, color=color, alpha=0.2, linewidth=0)
        axes.plot(sizes, value, "o-", color=color, label=label)
    left.set_ylabel("share of samples")
    right.set_ylabel("pairs from the same noise")
    for axes, title in ((left, "near another sample"), (right, "two models, same noise")):
        axes.set_title(title)
        axes.set_ylim(bottom=0)
        size_axis(axes, sizes, gap=0.15)
    right.set_ylim(0, 1.02)  # the whole range: an agreement near 0 is no curve to enlarge
    left.legend()
    return figure


HALVES, GROUPS = ("own", "chance"), ("groups", "median", "largest")


def _groups(found: dict[str, Any]) -> str:
    if not found["groups"]:
        return "no group"
    if found["groups"] == 1:
        return f"one group of {found['largest']:,}"
    return f"{found['groups']:,} groups, of {found['median']:g} samples at the median and {found['largest']:,} at most"


def twins_table(found: Sequence[dict[str, Any]]) -> Table:
    """Coincidences and agreement at each K."""
    names = ("spurious", "coincidence", "agreement")
    numbers = ("neighbours", "twin_neighbours", "same_noise", "other_noise")
    rows = [
        [
            f["size"],
            f["set_size"],
            *(f[name][key] for name in names for key in ENDS),
            *(f[name] for name in numbers),
            *(f["halves"][kind][key] for kind in HALVES for key in GROUPS),
        ]
        for f in found
    ]
    return make_table(
        "twins", "Twins", ["K", "set_size", *(c for name in names for c in triple(name)), *numbers,
         *(f"{kind}_{key}" for kind in HALVES for key in GROUPS)], rows,
        note="The twin is a model of the following K images of the permutation, with the same training and the same "
        "noise. coincidence: share of samples that are not memorized and have a sample of the twin within delta_s, in "
        "sets of set_size samples; the spurious share that chance alone gives. agreement: share of pairs from the same "
        "noise that are within delta_s. neighbours and twin_neighbours: mean number of samples of the model and of the "
        "twin within delta_s of a sample that is not memorized, in the whole sets. same_noise and other_noise: mean "
        "distance of pairs from the same and from different noise. own_groups, own_median and own_largest: number, "
        "median size and largest size of the groups that near pairs between two halves of all samples make, without "
        "memorized ones. chance_*: the same for half of the samples and half of the twin's, without those that are "
        "memorized by the model that drew them; chance alone makes these.",
    )  # fmt: skip


def twins_sentences(found: Sequence[dict[str, Any]]) -> list[str]:
    """Say how much of the largest spurious share is coincidence, and how far twins agree at the largest K."""
    peak, last = max(found, key=lambda f: f["spurious"]["value"]), found[-1]
    spurious, chance = (Estimate(**peak[name]) for name in ("spurious", "coincidence"))
    verdict = "more than" if spurious.low > chance.high else "not surely more than"
    groups = peak["halves"]
    return [
        f"At K = {peak['size']:,}, {percent(spurious)} of the samples are spurious. This is {verdict} coincidence: "
        f"{percent(chance)} would have a neighbour among the samples of a model of other images.",
        f"Where only neighbours in the other half of the set count, near samples at K = {peak['size']:,} form "
        f"{_groups(groups['own'])}. Between half of this set and half of the other model's set they form "
        f"{_groups(groups['chance'])}, which is chance.",
        f"From the same noise, two models of disjoint training sets of K = {last['size']:,} draw images within δ_s "
        f"of each other for {percent(Estimate(**last['agreement']))} of the samples; the mean distance is "
        f"{last['same_noise']:.3g}, and {last['other_noise']:.3g} from different noise.",
    ]
