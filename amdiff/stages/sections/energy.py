"""Relative energy."""

from __future__ import annotations

from typing import Any

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec
from amdiff.figures.energy import Content, energy_sentences, energy_table
from amdiff.landscape.findings import GapFinding, gap_finding

from ..context import Context
from . import Part
from .stored import note_of, peak_of, stored_groups


def energy(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Energy gaps between samples and training points, for each reference image."""
    asked: Any = spec.energy
    found: dict[int, dict[str, dict[int, GapFinding]]] = {}
    for size, file, name, own in stored_groups(context, artifact, "energy"):
        train = file["train/energy"][:]
        for j, reference in enumerate(file["references"][:].tolist()):
            found.setdefault(reference, {}).setdefault(name, {})[size] = gap_finding(
                own["energy"][:, j],
                own["cluster"][:],
                train[:, j],
                is_train=name == "train",
                confidence=spec.thresholds.confidence,
            )
    main = next(iter(found))
    content = Content(found, list(spec.first_sizes), note_of(found[main], spec, asked))
    return Part(content, [energy_table(found)], energy_sentences(found[main], peak_of(context, artifact)))
