"""Relative energy."""

from __future__ import annotations

from typing import Any

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec
from amdiff.figures.energy import Content, Way, energy_sentences, energy_table
from amdiff.landscape.findings import PATHS, GapFinding, gap_finding

from ..context import Context
from . import Part
from .stored import note_of, peak_of, stored_groups


def energy(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Energy gaps between samples and training points, for each noise level, path and reference image."""
    asked: Any = spec.energy
    found: dict[Way, dict[int, dict[str, dict[int, GapFinding]]]] = {}
    asymmetry: dict[int, dict[str, dict[int, float]]] = {}
    for size, file, name, own in stored_groups(context, artifact, "energy"):
        for i, time in enumerate(file["times"][:].tolist()):
            odd, even = (float(np.sum(own[part][:, i])) for part in ("antisymmetric", "symmetric"))
            asymmetry.setdefault(time, {}).setdefault(name, {})[size] = (odd / even) ** 0.5 if even else 0.0
            for path in PATHS:
                train, energies = (group[path][:, i] for group in (file["train"], own))
                change, base = (group[f"{path}_change"][:, i].mean(axis=0) for group in (own, file["train"]))
                for j, reference in enumerate(file["references"][:].tolist()):
                    gaps = found.setdefault((time, path), {}).setdefault(reference, {}).setdefault(name, {})
                    gaps[size] = gap_finding(
                        energies[:, j],
                        own["cluster"][:],
                        train[:, j],
                        is_train=name == "train",
                        confidence=spec.thresholds.confidence,
                        change=float(change[j] - base[j]),
                    )
    first = found[asked.time, PATHS[0]]
    content = Content(found, asked.time, list(spec.first_sizes), note_of(first[next(iter(first))], spec, asked))
    peak = peak_of(context, artifact)
    return Part(content, [energy_table(found, asymmetry)], energy_sentences(content, asymmetry, peak))
