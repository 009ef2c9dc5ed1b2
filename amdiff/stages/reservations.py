"""Reservations about the numbers of a report, from what the artifacts behind it recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.figures.phases_warnings import warnings

from .context import Context


def reservations(context: Context, artifact: Artifact, thresholds: Sequence[dict[str, Any]]) -> list[str]:
    """Warnings for the reader of a report: about how images and models were read, and how thresholds were found."""
    given = artifact.reads["samples"][0].parents.get("given", ())
    sources = {a.subject: a for a in (artifact.parent("dataset"), *given)}
    facts = {name: context.store.record(a)["provenance"] for name, a in sources.items()}
    lines = warnings(thresholds, facts)
    for model in artifact.reads.get("convert", ()):
        notes = context.store.record(model)["provenance"].get("notes", ())
        lines += [f"Model {model.label}: {note}." for note in notes]
    return lines
