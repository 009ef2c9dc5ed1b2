"""Tables of a report about the three phases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amdiff.phases.classes import CLASSES

from .curves import ENDS, triple
from .page import Table, make_table
from .phases_sentences import Summary, left_out_peaks

DELTAS = ("delta_m", "delta_s")


def tables(
    summaries: Sequence[Summary],
    thresholds: Sequence[dict[str, Any]],
    ranked: Sequence[Any],
    over_runs: Sequence[Summary] | None = None,
) -> list[Table]:
    """The tables of the phases: fractions, thresholds, attractors, and the ranked samples of each class.

    ``over_runs`` has the shares over several runs, if there are any. Default None.
    """
    return [
        _fractions(summaries, over_runs),
        _thresholds(thresholds),
        _valleys(thresholds),
        _set_sizes(summaries),
        *_attractors(summaries),
        make_table("panels", "Ranked samples", ["K", "class", "rank", "index"], ranked, on_page=False),
    ]


def _fractions(summaries: Sequence[Summary], over_runs: Sequence[Summary] | None) -> Table:
    triples = [column for name in CLASSES for column in triple(name)]
    given = [f"{name}_given_{end}" for name in CLASSES for end in ENDS[1:]]
    whole = [column for name in CLASSES[1:] for column in triple(f"{name}_whole")]
    near = [column for name in ("than_all", "than_most", "spurious_near", "spurious_new") for column in triple(name)]
    peaks = left_out_peaks(over_runs or summaries)
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
            s["set_size"],
            *(s["whole"][name][key] for name in CLASSES[1:] for key in ENDS),
            *_near(s),
            peaks.get(s["size"]),
            *([all_runs["fractions"][name][key] for name in CLASSES for key in ENDS] if over_runs else ()),
        ]
        for s, all_runs in zip(summaries, over_runs or summaries, strict=True)
    ]
    runs = [column for name in CLASSES for column in triple(f"{name}_runs")] if over_runs else []
    return make_table(
        "fractions", "Fractions",
        ["K", *triples, "delta_m", "delta_s", "n_train", "n_synthetic", "spurious_proper", "spurious_halo", *given,
         "far", "implausible", "set_size", *whole, *near, "peak_without", *runs],
        rows,
        note="The shares are those of a set of set_size samples; *_whole: those of all n_synthetic samples. *_low and "
        "*_high: confidence interval (Wilson for memorized, jackknife for the others), which includes the ranges of "
        "the thresholds. *_given_low and *_given_high: the interval if the thresholds were known exactly. "
        "spurious_proper: share of all samples that are spurious in attractors without memorized samples; "
        "spurious_halo: share that are spurious around memories. far: share of samples that lie farther from the "
        "training images than 99 % of held-out images do; implausible: 1 if the whole interval of far lies above one "
        "half. than_all and than_most: share of samples that lie nearer to the training images than all, and than 99 % "
        "of, held-out images. spurious_near and spurious_new: shares of spurious samples that are than_all, and that "
        "are not. peak_without: K with the largest spurious share at thresholds found without the K of the row."
        + (" *_runs: the mean over all runs, with its interval; all else is about the first run." if runs else ""),
    )  # fmt: skip


def _near(summary: Summary) -> list[float | None]:
    found = summary["near_copies"]
    if found is None:
        return [None] * 12
    estimates = (found["than_all"], found["than_most"], found["spurious"]["near"], found["spurious"]["new"])
    return [e[key] for e in estimates for key in ENDS]


def _valleys(thresholds: Sequence[dict[str, Any]]) -> Table:
    rows = [
        [t["size"], delta, one["size"], one["dip_p_value"], int(one["separated"]), one["without"]]
        for t in (thresholds if len({str([t[d]["sizes"] for d in DELTAS]) for t in thresholds}) > 1 else thresholds[:1])
        for delta in DELTAS
        for one in t[delta]["sizes"]
    ]
    return make_table(
        "valleys", "Valleys at each K", ["of", "threshold", "K", "dip_p", "separated", "without"], rows,
        on_page=bool(rows),
        note="of: the first K that the threshold serves. dip_p: p-value of Hartigan's dip test for one mode among the "
        "distances of this K alone. separated: 1 if one mode is rejected (with Bonferroni's correction for the number "
        "of K) and this K alone has modes on both sides of the threshold. without: the threshold that is found if this "
        "K is left out.",
    )  # fmt: skip


def _set_sizes(summaries: Sequence[Summary]) -> Table:
    rows = [
        [s["size"], n, n / s["size"], share]
        for s in summaries
        for n, share in zip(s["by_set_size"]["sizes"], s["by_set_size"]["spurious"], strict=True)
    ]
    return make_table(
        "set_size", "Spurious share by number of samples", ["K", "samples", "per_image", "spurious"], rows, shown=0,
        on_page=False, note="The share that a set of so many samples would have on average.",
    )  # fmt: skip


def _thresholds(thresholds: Sequence[dict[str, Any]]) -> Table:
    rows = [
        [
            t["size"],
            *(v for d in ("delta_m", "delta_s") for v in (t[d]["value"], t[d]["low"], t[d]["high"], t[d]["method"])),
            t["false_positives"]["n"],
            *((t["false_positives"][n] or {}).get(k) for n in ("memorized", "spurious") for k in ENDS),
            *(_dip(t, d) for d in ("delta_m", "delta_s")),
        ]
        for t in thresholds
    ]
    rates = [f"false_{n}{suffix}" for n in ("memorized", "spurious") for suffix in ("", "_low", "_high")]
    columns = ["K", *(f"{d}{x}" for d in ("delta_m", "delta_s") for x in ("", "_low", "_high", "_method"))]
    return make_table(
        "thresholds", "Thresholds and false positives",
        [*columns, "n_heldout", *rates, "delta_m_dip_p", "delta_s_dip_p"], rows,
        note="delta_*_low and delta_*_high: range, by the bootstrap; for a valley that is flat or that no single K "
        "has, it also covers the flat part and what is found with each K left out. *_dip_p: p-value of Hartigan's dip "
        "test for one mode among the distances of this K alone. n_heldout: number of held-out real images. false_*: "
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


def _far(summary: Summary) -> tuple[float | None, int | None]:
    found = summary["plausibility"]
    return (found["far"]["value"], int(found["implausible"])) if found else (None, None)


def _dip(entry: dict[str, Any], delta: str) -> float | None:
    return next((one["dip_p_value"] for one in entry[delta]["sizes"] if one["size"] == entry["size"]), None)
