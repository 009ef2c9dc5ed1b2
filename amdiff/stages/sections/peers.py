"""Other measures of copying from the literature, beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec
from amdiff.figures.page import make_table
from amdiff.files import read_json
from amdiff.phases.copying import Disagreement, disagreements
from amdiff.phases.intervals import Estimate

from ..context import Context
from ..stored_tables import read_summaries
from . import Part

NAMES = {
    "ratio_second": "nearest / second nearest (Yoon et al. 2023)",
    "ratio_next": "nearest / mean of the next (Yoon et al. 2023)",
    "authpct": "not authentic (Alaa et al. 2022)",
}


def peers(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Copies by other measures, their agreement with the memorized class, and C_T."""
    found = [read_json(context.store.file(a, "summary")) for a in artifact.reads["peers"]]
    rows: list[list[Any]] = []
    for entry in found:
        for name in NAMES:
            copies = entry["copies"][name]
            counts = ("share", "low", "high", "both", "theirs_only", "ours_only", "neither")
            rows.append([entry["size"], NAMES[name], *(copies[c] if copies else None for c in counts)])
    scores = [
        [
            entry["size"],
            c["value"] if c else None,
            c["std"] if c else None,
            len(c["cells"]) if c else 0,
            min(c["z"]) if c else None,
        ]
        for entry in found
        for c in (entry["c_t"],)
    ]
    first = found[0]
    summaries = {s["size"]: s for s in read_summaries(context, artifact.reads["classify"])}
    return Part(
        tables=[
            make_table(
                "peers", "Copies by other measures, and by ours",
                ["K", "measure", "share", "low", "high", "both", "theirs_only", "ours_only", "neither"], rows,
                note=f"A sample is a copy if its ratio is below {first['ratio']:.3g}. 'The next' are the "
                f"{first['following']} training images after the nearest one. A sample is not authentic if no other "
                "training image is nearer to the sample's nearest training image than the sample is. The last four "
                "columns count the samples that are copies by both measures, by that measure only, by ours only "
                "(memorized), and by neither.",
            ),
            make_table(
                "c_t", "C_T (Meehan et al. 2020)", ["K", "c_t", "null_std", "cells", "lowest_z"], scores,
                note="C_T is the weighted mean of one Z score for each cell. If samples lie as far from the training "
                "set as held-out images do, its mean is 0 and its standard deviation null_std, and lowest_z is the "
                "lowest of as many standard normal numbers as there are cells. If samples are copies, C_T is far below "
                "0. Without held-out images there are no values.",
            ),
        ],
        warnings=_disagreements(found, summaries),
    )  # fmt: skip


def _disagreements(found: Sequence[dict[str, Any]], summaries: dict[int, dict[str, Any]]) -> list[str]:
    """A sentence for each kind of disagreement.

    It is about the K at which the disagreement is largest, and names the other K at which there is one.
    """
    kinds: dict[str, dict[int, Disagreement]] = {}
    for entry in found:
        size = entry["size"]
        for one in disagreements(Estimate(**summaries[size]["fractions"]["memorized"]), entry):
            kinds.setdefault(one.kind, {})[size] = one
    lines = []
    for sizes in kinds.values():
        worst = max(sizes, key=lambda size: sizes[size].gap)
        others = ", ".join(f"{size:,}" for size in sizes if size != worst)
        where = f"K = {worst:,}{f' (and, less so, {others})' if others else ''}: " if len(found) > 1 else ""
        lines.append(where + sizes[worst].sentence)
    return lines
