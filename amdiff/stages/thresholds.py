"""Finds the thresholds of one K, or of a sweep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from amdiff.artifacts import Artifact
from amdiff.config import BorrowedThresholds, ThresholdsSpec
from amdiff.files import read_json, write_json
from amdiff.phases.costs import as_json
from amdiff.phases.distances import Pair
from amdiff.phases.thresholds import find_thresholds

from .console import say
from .context import Context
from .stored_tables import read_distances, threshold_pair


def thresholds(context: Context, artifact: Artifact, folder: Path) -> None:
    """Find the thresholds of one K, or those of a sweep, with their cost and sensitivity."""
    borrows = {"experiment": ""} if "lent" in artifact.parents else {}
    spec = TypeAdapter(ThresholdsSpec).validate_python({**artifact.params, **borrows})
    sweep = [read_distances(context, parent) for parent in artifact.parents["neighbors"]]
    if isinstance(spec, BorrowedThresholds):
        pairs = [_lent(context, artifact.parent("lent"), distances.size) for distances in sweep]
    else:
        pairs = find_thresholds(sweep, spec)
    found = [as_json(distances, pair, spec) for distances, pair in zip(sweep, pairs, strict=True)]
    write_json(folder / artifact.file(), {"method": spec.method, "sizes": found})
    for name in ("delta_m", "delta_s"):
        for entry in found[:1] if len({str(f[name]) for f in found}) == 1 else found:
            t = entry[name]
            note = f" ({t['note']})" if t["note"] else ""
            say(f"thresholds {artifact.subject} {artifact.label}: {name} = {t['value']:.4g} "
                f"[{t['low']:.4g}, {t['high']:.4g}] by {t['method']}{note}")  # fmt: skip


def _lent(context: Context, lender: Artifact, size: int) -> Pair:
    """Thresholds that another experiment found: those of the same K, else those that all its K share."""
    entries = read_json(context.store.file(lender))["sizes"]
    chosen = next((entry for entry in entries if entry["size"] == size), entries[0])
    found = threshold_pair(chosen)
    m, s = (
        replace(t, note="; ".join(["of another experiment", *([t.reservation] if t.reservation else [])]), sizes=())
        for t in (found.delta_m, found.delta_s)
    )
    return Pair(m, s, found.d0)
