"""Sentences of a report about the three phases. Each says what the data support."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from amdiff.phases.classes import CLASSES
from amdiff.phases.intervals import Estimate
from amdiff.phases.plausibility import implausible_sentence
from amdiff.phases.shown import percent

Summary = dict[str, Any]
"""Results of the stage ``classify`` for one K."""

GIVEN = "given this one training of each model"
"""What the intervals of one run hold for."""


def numbered(count: int, noun: str) -> str:
    """A number with its noun, such as '1 run' or '5 runs'."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def headline(
    summaries: Sequence[Summary],
    thresholds: Sequence[dict[str, Any]] = (),
    *,
    trained: bool = False,
    over: str = "",
    one_run: Sequence[Summary] | None = None,
) -> list[str]:
    """The findings of a sweep as sentences, with confidence intervals.

    Parameters
    ----------
    summaries
        Results of the stage ``classify`` for each K; where there are several runs, with the shares over all of them.
    thresholds
        Results of the stage ``thresholds`` for each K. Default none.
    trained
        Whether models were trained. If they were so once each, the intervals hold given these trainings. Default False.
    over
        What the intervals are over, where there are several runs. Default empty: there is one run.
    one_run
        The results of the first run alone, where there are several. Default None.
    """
    first, last = summaries[0], summaries[-1]
    level = f"{100 * first['confidence']:g} %"
    lines = [
        f"K = {s['size']:,}: " + ", ".join(f"{name} {share(s, name)}" for name in CLASSES) + "."
        for s in ([first, last] if len(summaries) > 1 else [first])
    ]
    given = f"{f' {GIVEN}' if trained else ''}, which include the errors of the thresholds"
    lines[0] = f"{lines[0][:-1]} (in brackets: {level} intervals{f' {over}' if over else given})."
    lines = [*implausible(summaries), *lines]
    largest = most_spurious(summaries)
    if len(summaries) > 1 and largest["fractions"]["spurious"]["value"]:
        lines += _peak(summaries, largest)
    further = _of_one_run(one_run or summaries, thresholds)
    return lines + [f"In the first run: {line[0].lower()}{line[1:]}" if over else line for line in further]


def _of_one_run(summaries: Sequence[Summary], thresholds: Sequence[dict[str, Any]]) -> list[str]:
    """Sentences about the number of samples, near copies, attractors and false positives, which one run tells."""
    lines = set_size_sentence(summaries)
    if len(summaries) > 1:
        lines += near_copies_sentence(most_spurious(summaries))
    visits = max(
        ((a["size"], s) for s in summaries for a in s["attractors"]["table"] if a["kind"] == "spurious"),
        key=lambda pair: pair[0],
        default=None,
    )
    if visits:
        count = visits[1]["attractors"]["spurious"]
        lines.append(
            f"The most visited spurious attractor is at K = {visits[1]['size']:,} (spurious attractors at this K: "
            f"{count:,}, of {_median_visits(visits[1]):g} visits at the median). It holds {visits[0]:,} of "
            f"{visits[1]['n_samples']:,} samples."
        )
    rates = [t["false_positives"] for t in thresholds if t["false_positives"]["memorized"]]
    if rates:
        worst = {name: max((r[name] for r in rates), key=lambda e: e["high"]) for name in ("memorized", "spurious")}
        lines.append(
            "False positives, at the K where each is most frequent: of real held-out images, as many as there are "
            "samples, "
            + " and ".join(
                f"{e['value']:.2%} (at most {e['high']:.2%}) would be called {name}" for name, e in worst.items()
            )
            + "."
        )
    return lines


def _median_visits(summary: Summary) -> float:
    """Median number of samples in the spurious attractors of a K."""
    return statistics.median(a["size"] for a in summary["attractors"]["table"] if a["kind"] == "spurious")


def most_spurious(summaries: Sequence[Summary]) -> Summary:
    """The summary with the largest spurious share."""
    return max(summaries, key=lambda s: s["fractions"]["spurious"]["value"])


def set_size_sentence(summaries: Sequence[Summary]) -> list[str]:
    """Say for how many samples the shares are, where they are not those of the whole sets."""
    short = [s for s in summaries if s["per_image"] and s["set_size"] < s["per_image"] * s["size"]]
    lines = [
        f"At K = {s['size']:,} there are only {s['n_samples']:,} samples, fewer than {s['per_image']} K, so its "
        "spurious share is too small beside that of other K."
        for s in short
    ]
    smaller = [s for s in summaries if s["set_size"] < s["n_samples"]]
    if not smaller:
        return lines
    most = max(smaller, key=lambda s: s["whole"]["spurious"]["value"] - s["fractions"]["spurious"]["value"])
    return [
        *lines,
        f"Shares are those of {most['per_image']} K samples at each K, since more samples find more "
        f"neighbours. At K = {most['size']:,}, {most['fractions']['spurious']['value']:.1%} are spurious in a set of "
        f"{most['set_size']:,} samples and {most['whole']['spurious']['value']:.1%} in all {most['n_samples']:,}.",
    ]


def _peak(summaries: Sequence[Summary], largest: Summary) -> list[str]:
    """Say where the spurious share is largest, and whether that is a peak."""
    share_there = share(largest, "spurious")
    where = f"The spurious share is largest at K = {largest['size']:,} with {share_there}."
    if moved := moved_peaks(summaries):
        places = ", ".join(f"{k:,}" for k in sorted({largest["size"], *moved.values()}))
        return [
            f"No single K can be called the peak of the spurious share. It is largest at K = {largest['size']:,} with "
            f"{share_there}, but with thresholds found without one K of the sweep it is largest at other K: {places} "
            "come up.",
        ]
    ends = (summaries[0], summaries[-1])
    if largest in ends:
        return [f"{where} This K is an end of the sweep, so there is no peak inside it."]
    above = all(largest["fractions"]["spurious"]["low"] > s["fractions"]["spurious"]["high"] for s in ends)
    verdict = "lies above those" if above else "overlaps at least one of those"
    return [f"{where} This interval {verdict} at the two ends of the sweep."]


def left_out_peaks(summaries: Sequence[Summary]) -> dict[int, int]:
    """The K with the largest spurious share at thresholds found without one K, by that K; empty where not known."""
    left_out: dict[int, dict[int, float]] = {}
    for s in summaries:
        for one in s["left_out"]:
            left_out.setdefault(one["size"], {})[s["size"]] = one["spurious"]
    return {without: max(shares, key=lambda k: shares[k]) for without, shares in left_out.items()}


def moved_peaks(summaries: Sequence[Summary]) -> dict[int, int]:
    """The peaks of ``left_out_peaks`` that are at another K than the peak itself."""
    largest = most_spurious(summaries)["size"]
    return {without: peak for without, peak in left_out_peaks(summaries).items() if peak != largest}


def near_copies_sentence(summary: Summary) -> list[str]:
    """Say how many of the spurious samples are near copies. Empty if there are none or they are not known."""
    found = summary["near_copies"]
    if not found or not summary["fractions"]["spurious"]["value"]:
        return []
    near, new = (Estimate(**found["spurious"][part]) for part in ("near", "new"))
    return [
        f"At K = {summary['size']:,}, {percent(near)} of the samples are spurious near copies: they lie nearer to a "
        f"training image than any of {found['heldout']:,} held-out images does. {percent(new)} are spurious and new."
        + _many_nearer_than_most(found)
    ]


def _many_nearer_than_most(found: dict[str, Any]) -> str:
    """Warn where a few held-out images next to training images decide what a near copy is."""
    if found["nearest"] > found["percentile"] / 2:
        return ""
    return (
        " But a few held-out images lie next to training images, so there may be more near copies: "
        f"{found['than_most']['value']:.1%} of all samples lie nearer than 99 % of the held-out images do."
    )


def spurious_words(summary: Summary) -> str:
    """What the spurious samples of a K are, in words that its near copies support."""
    found = summary["near_copies"]
    if found and found["spurious"]["near"]["value"] > found["spurious"]["new"]["value"]:
        return "recurrent samples near but not at training images"
    return "recurrent samples that are not in the training set"


def unreal(summary: Summary) -> bool | None:
    """Whether the samples of a K look like no real image; None where it is not known."""
    found = summary["plausibility"]
    return None if found is None else bool(found["implausible"])


def implausible(summaries: Sequence[Summary]) -> list[str]:
    """A sentence about the K at which samples look like no real image, if there are any."""
    found = [s for s in summaries if unreal(s)]
    if not found:
        return []
    worst = max(found, key=lambda s: s["plausibility"]["far"]["value"])
    sizes = f" at K = {', '.join(format(s['size'], ',') for s in found)}" if len(summaries) > 1 else ""
    return [implausible_sentence(Estimate(**worst["plausibility"]["far"]), sizes)]


def share(summary: Summary, name: str) -> str:
    """Share of a class with its confidence interval, such as '12.3% [10.1%, 14.5%]'."""
    return percent(Estimate(**summary["fractions"][name]))
