"""Sentences and tables of a report about the three phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amdiff.phases.classes import CLASSES
from amdiff.phases.intervals import Estimate
from amdiff.phases.plausibility import implausible_sentence

from .page import Table, make_table

Summary = dict[str, Any]
"""Results of the stage ``classify`` for one K."""
ENDS = ("value", "low", "high")
"""Keys of an estimate."""


def headline(summaries: Sequence[Summary], thresholds: Sequence[dict[str, Any]] = ()) -> list[str]:
    """The findings of a sweep as sentences, with confidence intervals."""
    first, last = summaries[0], summaries[-1]
    level = f"{100 * first['confidence']:g} %"
    lines = [
        f"K = {s['size']:,}: " + ", ".join(f"{name} {share(s, name)}" for name in CLASSES) + "."
        for s in ([first, last] if len(summaries) > 1 else [first])
    ]
    lines[0] = lines[0][:-1] + f" (in brackets: {level} intervals, which include the errors of the thresholds)."
    lines = [*implausible(summaries), *lines]
    largest = most_spurious(summaries)
    if len(summaries) > 1 and largest["fractions"]["spurious"]["value"]:
        lines += _peak(summaries, largest)
    visits = max(
        ((a["size"], s) for s in summaries for a in s["attractors"]["table"] if a["kind"] == "spurious"),
        key=lambda pair: pair[0],
        default=None,
    )
    if visits:
        count = visits[1]["attractors"]["spurious"]
        lines.append(
            f"The most visited spurious attractor is at K = {visits[1]['size']:,} (spurious attractors at this K: "
            f"{count:,}). It holds {visits[0]:,} of {visits[1]['n_samples']:,} samples."
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


def most_spurious(summaries: Sequence[Summary]) -> Summary:
    """The summary with the largest spurious share."""
    return max(summaries, key=lambda s: s["fractions"]["spurious"]["value"])


def _peak(summaries: Sequence[Summary], largest: Summary) -> list[str]:
    """Say where the spurious share is largest, and how it divides into samples off memories and around memories."""
    where = f"The spurious share is largest at K = {largest['size']:,} with {share(largest, 'spurious')}."
    ends = (summaries[0], summaries[-1])
    if largest in ends:
        return [f"{where} This K is an end of the sweep, so there is no peak inside it."]
    above = all(largest["fractions"]["spurious"]["low"] > s["fractions"]["spurious"]["high"] for s in ends)
    verdict = "lies above those" if above else "overlaps at least one of those"
    split = largest["spurious_split"]
    return [
        f"{where} This interval {verdict} at the two ends of the sweep.",
        f"At this K, {split['proper']:.1%} of the samples are spurious in attractors that hold no memorized sample, "
        f"and {split['halo']:.1%} are spurious in attractors around memories.",
    ]


def implausible(summaries: Sequence[Summary]) -> list[str]:
    """A sentence about the K at which samples look like no real image, if there are any."""
    found = [s for s in summaries if s["plausibility"] and s["plausibility"]["implausible"]]
    if not found:
        return []
    worst = max(found, key=lambda s: s["plausibility"]["far"]["value"])
    sizes = f" at K = {', '.join(format(s['size'], ',') for s in found)}" if len(summaries) > 1 else ""
    return [implausible_sentence(Estimate(**worst["plausibility"]["far"]), sizes)]


def _far(summary: Summary) -> tuple[float | None, int | None]:
    found = summary["plausibility"]
    return (found["far"]["value"], int(found["implausible"])) if found else (None, None)


def share(summary: Summary, name: str) -> str:
    """Share of a class with its confidence interval, such as '12.3% [10.1%, 14.5%]'."""
    f = summary["fractions"][name]
    return f"{f['value']:.1%} [{f['low']:.1%}, {f['high']:.1%}]"


def warnings(thresholds: Sequence[dict[str, Any]], datasets: Mapping[str, dict[str, Any]]) -> list[str]:
    """Sentences that a reader must know before trusting the numbers.

    ``datasets`` holds for each dataset, by its name, what its artifact records about how its images were read.
    """
    lines = []
    for delta, name in (("delta_m", "δ_m"), ("delta_s", "δ_s")):
        notes: dict[str, list[int]] = {}
        for t in thresholds:
            if t[delta]["note"] and t[delta]["method"] != "fixed":
                notes.setdefault(f"{name}: {t[delta]['note']}", []).append(t["size"])
        for note, sizes in notes.items():
            lines.append(note + ("." if len(sizes) == len(thresholds) else f" (K = {', '.join(map(str, sizes))})."))
    if any(t["false_positives"]["memorized"] is None for t in thresholds):
        sizes = [t["size"] for t in thresholds if t["false_positives"]["memorized"] is None]
        lines.append(
            f"There are no held-out images at K = {', '.join(map(str, sizes))}, so the false-positive rates there are "
            "unknown."
        )
    if any(t.get("stand_in") for t in thresholds):
        lines.append(
            "No held-out images were given. Training images stand in for new real images: each is compared with all "
            "others. Thresholds and false-positive rates therefore hold for images that are as close to the training "
            "set as its own images are. Near duplicates among the training images make the thresholds smaller."
        )
    for name, facts in datasets.items():
        lines += [f"Dataset {name}: {note}." for note in facts.get("notes", ())]
        if duplicates := facts.get("images", {}).get("duplicates"):
            lines.append(f"Dataset {name} holds {duplicates:,} images that are byte-equal to another one.")
    return lines + _spreads(datasets)


SPREAD = 1.6
"""If the standard deviations of two sets' pixels differ by more than this factor, their ranges are doubted."""


def _spreads(datasets: Mapping[str, dict[str, Any]]) -> list[str]:
    """A sentence about two sets of images whose values differ so much that a stated range may be wrong."""
    parts = {
        f"{name}{', held out' if part == 'test' else ''}": values
        for name, facts in datasets.items()
        for part, values in facts.get("values", {}).items()
    }
    if len(parts) < 2:
        return []
    (narrow, least), *_, (wide, most) = sorted(parts.items(), key=lambda item: item[1]["std"])
    if most["std"] <= SPREAD * least["std"]:
        return []
    return [
        f"The pixels of {wide} spread {most['std'] / max(least['std'], 1e-9):.1f} times as widely as those of {narrow} "
        f"(standard deviations {most['std']:.2f} and {least['std']:.2f}, means {most['mean']:.2f} and "
        f"{least['mean']:.2f}, where black is 0 and white is 1). Check the values that mean black and white, for both."
    ]


def tables(summaries: Sequence[Summary], thresholds: Sequence[dict[str, Any]], ranked: Sequence[Any]) -> list[Table]:
    """The tables of the phases: fractions, thresholds, attractors, and the ranked samples of each class."""
    return [
        _fractions(summaries),
        _thresholds(thresholds),
        *_attractors(summaries),
        make_table("panels", "Ranked samples", ["K", "class", "rank", "index"], ranked, on_page=False),
    ]


def _fractions(summaries: Sequence[Summary]) -> Table:
    triples = [f"{name}{suffix}" for name in CLASSES for suffix in ("", "_low", "_high")]
    given = [f"{name}_given_{end}" for name in CLASSES for end in ENDS[1:]]
    rows = [
        [
            s["size"],
            *(s["fractions"][name][key] for name in CLASSES for key in ENDS),
            s["delta_m"],
            s["delta_s"],
            s["size"],
            s["n_samples"],
            s["spurious_split"]["proper"],
            s["spurious_split"]["halo"],
            *(s["given_thresholds"][name][key] for name in CLASSES for key in ENDS[1:]),
            *_far(s),
        ]
        for s in summaries
    ]
    return make_table(
        "fractions", "Fractions",
        ["K", *triples, "delta_m", "delta_s", "n_train", "n_synthetic", "spurious_proper", "spurious_halo", *given,
         "far", "implausible"],
        rows,
        note="*_low and *_high: confidence interval (Wilson for memorized, leave-one-out jackknife for the others), "
        "which includes the bootstrap intervals of the thresholds. *_given_low and *_given_high: the interval if the "
        "thresholds were known exactly. spurious_proper: share of samples that are spurious in attractors without "
        "memorized samples; spurious_halo: share that are spurious around memories. far: share of samples that lie "
        "farther from the training images than 99 % of held-out images do; implausible: 1 if the whole interval of "
        "far lies above one half.",
    )  # fmt: skip


def _thresholds(thresholds: Sequence[dict[str, Any]]) -> Table:
    rows = [
        [
            t["size"],
            *(v for d in ("delta_m", "delta_s") for v in (t[d]["value"], t[d]["low"], t[d]["high"], t[d]["method"])),
            t["false_positives"]["n"],
            *((t["false_positives"][n] or {}).get(k) for n in ("memorized", "spurious") for k in ENDS),
        ]
        for t in thresholds
    ]
    rates = [f"false_{n}{suffix}" for n in ("memorized", "spurious") for suffix in ("", "_low", "_high")]
    columns = ["K", *(f"{d}{x}" for d in ("delta_m", "delta_s") for x in ("", "_low", "_high", "_method"))]
    return make_table(
        "thresholds", "Thresholds and false positives", [*columns, "n_heldout", *rates], rows,
        note="delta_*_low and delta_*_high: bootstrap interval. n_heldout: number of held-out real images. false_*: "
        "share of them that would be called memorized or spurious; false_spurious is scaled to as many images as there "
        "are samples.",
    )  # fmt: skip


def _attractors(summaries: Sequence[Summary]) -> list[Table]:
    keys = ("attractor", "kind", "size", "memorized", "spurious", "representative", "train_neighbor", "train_distance")
    every = [[s["size"], *(a[key] for key in keys)] for s in summaries for a in s["attractors"]["table"]]
    counts = [
        [s["size"], s["attractors"]["memories"], s["attractors"]["spurious"], s["attractors"]["memorized_images"]]
        for s in summaries
    ]
    return [
        make_table(
            "attractor_counts", "Attractors", ["K", "memories", "spurious_attractors", "memorized_images"], counts,
            note="Attractors have at least two samples. memories: attractors that hold a memorized sample; "
            "spurious_attractors: attractors that hold none. memorized_images: training images of which at least one "
            "sample is a copy.",
        ),
        make_table("attractors", "The most visited attractors", ["K", *keys], every, shown=12),
    ]  # fmt: skip
