"""The field's other measures, beside ours."""

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
    """Copies by other measures, how they agree with the memorized class, and C_T."""
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
                note=f"A ratio below {first['ratio']:.3g} is a copy; the next are {first['following']}. A sample is "
                "not authentic where it is nearer to its nearest training image than any other training image is. "
                "'both' to 'neither' count samples that are copies by that measure and memorized by ours.",
            ),
            make_table(
                "c_t", "C_T (Meehan et al. 2020)", ["K", "c_t", "null_std", "cells", "lowest_z"], scores,
                note="The weighted mean of one Z for each cell: 0 with the standard deviation null_std where samples "
                "lie as far from the training set as held-out images, far below 0 where they are copies. lowest_z is "
                "the lowest of as many standard normal numbers as there are cells. Empty without held-out images.",
            ),
        ],
        warnings=_disagreements(found, summaries),
    )  # fmt: skip


def _disagreements(found: Sequence[dict[str, Any]], summaries: dict[int, dict[str, Any]]) -> list[str]:
    """A sentence for each kind of disagreement, of the K where it is largest, and the other K where there is one."""
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
