"""Shares over several runs, against K."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.figure import Figure

from amdiff.phases.classes import CLASSES
from amdiff.phases.intervals import Estimate
from amdiff.phases.replicates import OverRuns, effective_samples, over_runs, variance_of

from .curves import ENDS, foot, triple
from .page import Table, make_table
from .phases_sentences import Summary, most_spurious, numbered, unreal
from .style import COLORS, HIDDEN, PAGE, size_axis, subplots

MOST_OVERLAP = 0.2
"""Mean part of two training sets that is common, beyond which the spread between them is doubted."""


@dataclass(frozen=True)
class Run:
    """One run of a sweep."""

    draw: int
    """Number of its training sets, from 0."""
    seed: int
    """Number of its training on them, from 0."""
    subset_seed: int
    """Seed of the permutation of which its training sets are prefixes."""
    training_seed: int | None
    """Seed of its trainings; None where nothing was trained."""
    summaries: Sequence[Summary]
    """Results of the stage ``classify`` for each K."""
    methods: Sequence[tuple[str, str]]
    """How delta_m and delta_s were found, for each K."""


@dataclass(frozen=True)
class Content:
    """All runs of a sweep."""

    runs: Sequence[Run]
    """The runs, those of the first draw first. The first one is the sweep that the rest of the report is about."""
    confidence: float
    """Level of the intervals."""
    own_thresholds: bool
    """Whether each run has thresholds of its own, so that the spread over runs includes their spread."""
    note: str
    """Training length and sampler."""

    @property
    def draws(self) -> int:
        """Number of draws of the training sets."""
        return len({run.draw for run in self.runs})

    @property
    def seeds(self) -> int:
        """Number of trainings on each."""
        return len(self.runs) // self.draws

    @property
    def sizes(self) -> list[int]:
        """The training-set sizes."""
        return [s["size"] for s in self.runs[0].summaries]

    @cached_property
    def found(self) -> Mapping[str, Mapping[int, OverRuns]]:
        """The share of each class over the runs, by K."""
        return {name: {k: self._over(name, i) for i, k in enumerate(self.sizes)} for name in CLASSES}

    def _over(self, name: str, index: int) -> OverRuns:
        there = [run.summaries[index] for run in self.runs]
        values = [s["fractions"][name]["value"] for s in there]
        within = [variance_of(Estimate(**s["given_thresholds"][name]), self.confidence) for s in there]
        # the memorized share is that of all samples; the others use them all, but are those of a smaller set
        samples = [
            float(s["n_samples"]) if name == CLASSES[0] else effective_samples(v, w, s["set_size"], s["n_samples"])
            for v, w, s in zip(values, within, there, strict=True)
        ]
        arrays = [np.array(column).reshape(self.draws, self.seeds) for column in (values, samples, within)]
        return over_runs(arrays[0], arrays[1], arrays[2], self.confidence)

    @property
    def summaries(self) -> list[Summary]:
        """The summaries of the first run, with the shares over all runs in place of its own."""
        return [
            {
                **s,
                "fractions": {name: self.found[name][s["size"]].estimate._asdict() for name in CLASSES},
                "left_out": self._left_out(i),
            }
            for i, s in enumerate(self.runs[0].summaries)
        ]

    def _left_out(self, index: int) -> list[dict[str, float]]:
        """Mean spurious share over the runs at thresholds found without one K, for each K that all runs tell."""
        found = [{one["size"]: one["spurious"] for one in run.summaries[index]["left_out"]} for run in self.runs]
        common = sorted(set.intersection(*(set(one) for one in found)))
        return [{"size": size, "spurious": sum(one[size] for one in found) / len(found)} for size in common]

    @property
    def words(self) -> str:
        """What the intervals are over."""
        each = f", {numbered(self.seeds, 'training')} on each" if self.seeds > 1 else ""
        if self.draws == 1:
            over = f"{numbered(self.seeds, 'training')} on the same training set, given this set"
        else:
            over = f"{numbered(self.draws, 'draw')} of the training sets{each}"
        thresholds = "each run with thresholds of its own" if self.own_thresholds else "all at the same thresholds"
        logit = any(found.logit for sizes in self.found.values() for found in sizes.values())
        return f"over {over}, {thresholds}{'; shares near 0 or 1 by the mean logit' if logit else ''}"

    @property
    def about(self) -> str:
        """The note below figures."""
        return "; ".join(filter(None, (self.note, f"intervals {self.words}")))


def over_all_runs(content: Content) -> Figure:
    """The share of each class: every run as a point, and the interval over runs."""
    figure, (row,) = subplots(1, 3, width=PAGE, height=2.6, sharey=True)
    sizes = content.sizes
    if len(sizes) == 1:
        figure.set_label(HIDDEN)  # one point is no curve
    for axes, name in zip(row, CLASSES, strict=True):
        value, low, high = np.array([found.estimate for found in content.found[name].values()]).T
        axes.fill_between(sizes, low, high, color=COLORS[name], alpha=0.22, linewidth=0)
        axes.plot(sizes, value, "-", color=COLORS[name])
        for run in content.runs:
            shares = [s["fractions"][name]["value"] for s in run.summaries]
            axes.plot(sizes, shares, "o", color=COLORS[name], markersize=2, alpha=0.7)
        axes.set_title(name)
        size_axis(axes, sizes, gap=0.15)
    row[0].set_ylabel("share of samples")
    row[0].set_ylim(-0.02, 1.02)
    foot(figure, content.about)
    return figure


def replicates_tables(content: Content) -> list[Table]:
    """The shares over runs with the parts of their variance, and the shares of each run."""
    first = content.runs[0].summaries
    rows = [
        [size, name, *found.estimate, "logit" if found.logit else "share", *(s["fractions"][name][key] for key in ENDS),
         *(None if v is None else v**0.5 for v in (found.within, found.between_seeds, found.between_draws)),
         found.of_runs]
        for name in CLASSES
        for s, (size, found) in zip(first, content.found[name].items(), strict=True)
    ]  # fmt: skip
    each = [
        [s["size"], number, run.draw, run.seed, run.subset_seed, run.training_seed,
         *(s["fractions"][name]["value"] for name in CLASSES), s["delta_m"], s["delta_s"], *methods, s["set_size"],
         None if (told := unreal(s)) is None else int(told)]
        for number, run in enumerate(content.runs)
        for s, methods in zip(run.summaries, run.methods, strict=True)
    ]  # fmt: skip
    return [
        make_table(
            "replicates", "Shares over runs",
            ["K", "class", "share", "low", "high", "scale", *triple("first_run"), "sd_within", "sd_seeds", "sd_draws",
             "part_of_runs"],
            rows,
            note=f"low and high: interval {content.words}. scale: 'logit' where the share is near 0 or 1; it is then "
            "that of the mean logit. first_run: the first run, with the interval of its samples and thresholds. sd_*: "
            "standard deviation of the share of one run, within the run (finitely many samples), between trainings on "
            "one training set, and between training sets (with one training on each, both together). Negative "
            "estimates of a variance are 0. part_of_runs: part of the variance of one run's share that its samples do "
            "not explain.",
        ),
        make_table(
            "runs", "Every run",
            ["K", "run", "draw", "seed", "subset_seed", "training_seed", *CLASSES, "delta_m", "delta_s",
             "delta_m_method", "delta_s_method", "set_size", "implausible"],
            each, on_page=False,
            note="The shares of each run, in sets of set_size samples, at the thresholds of that run.",
        ),
    ]  # fmt: skip


def replicates_warnings(content: Content, images: int) -> list[str]:
    """What limits the intervals over runs; ``images`` is the number of training images in the dataset."""
    lines = []
    if len({methods for run in content.runs for methods in run.methods}) > 1:
        lines.append(
            "The runs do not find their thresholds in the same way (runs.csv), so the spread over runs is also that of "
            "the method."
        )
    if found := [i for i, run in enumerate(content.runs) if any(unreal(s) for s in run.summaries)]:
        lines.append(f"The samples of run {', '.join(map(str, found))} look like no real image at some K (runs.csv).")
    largest = max(content.sizes)
    if content.draws > 1 and largest > MOST_OVERLAP * images:
        lines.append(
            f"At K = {largest:,} two training sets of {images:,} images have {largest / images:.0%} of their images in "
            "common on average. The spread between training sets is too small there."
        )
    return lines


def replicates_sentences(content: Content) -> list[str]:
    """Say where the spurious share is largest in each run, and how far one run can be trusted."""
    lines = []
    tops = [most_spurious(run.summaries) for run in content.runs]
    peaks = Counter(int(top["size"]) for top in tops if top["fractions"]["spurious"]["value"])  # no spurious, no peak
    if peaks and len(content.sizes) > 1:
        told = ", ".join(f"K = {size:,} in {count}" for size, count in sorted(peaks.items()))
        lines.append(f"The spurious share is largest at {told} of {numbered(len(content.runs), 'run')}.")
    size = most_spurious(content.summaries)["size"]
    there = content.found["spurious"][size]
    (first,) = (s["given_thresholds"]["spurious"] for s in content.runs[0].summaries if s["size"] == size)
    shares = [s["fractions"]["spurious"]["value"] for r in content.runs for s in r.summaries if s["size"] == size]
    lines.append(
        f"At K = {size:,}, the spurious shares of the runs have a standard deviation of {np.std(shares, ddof=1):.3f}; "
        f"their finitely many samples alone would give about {there.within**0.5:.3f}. The interval of the mean over "
        f"runs is [{there.estimate.low:.3f}, {there.estimate.high:.3f}]. That of the first run's samples, at known "
        f"thresholds, is [{first['low']:.3f}, {first['high']:.3f}]."
    )
    return lines
