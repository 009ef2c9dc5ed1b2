"""What limits the trust in the numbers of a report, as the artifacts behind it recorded it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.figures.phases_tables import warnings

from .context import Context


def reservations(context: Context, artifact: Artifact, thresholds: Sequence[dict[str, Any]]) -> list[str]:
    """What a reader of a report must know: how images and models were read, how thresholds were found."""
    given = artifact.reads["samples"][0].parents.get("given", ())
    sources = {a.subject: a for a in (artifact.parent("dataset"), *given)}
    facts = {name: context.store.record(a)["provenance"] for name, a in sources.items()}
    lines = warnings(thresholds, facts)
    for model in artifact.reads.get("convert", ()):
        notes = context.store.record(model)["provenance"].get("notes", ())
        lines += [f"Model {model.label}: {note}." for note in notes]
    return lines
