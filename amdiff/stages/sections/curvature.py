"""Curvature of the energy."""

from __future__ import annotations

from typing import Any

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec
from amdiff.figures.curvature import Content, curvature_table, unresolved
from amdiff.landscape.findings import DimensionFinding, dimension_finding

from ..context import Context
from . import Part
from .stored import note_of, stored_groups


def curvature(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Spectra at the smallest time, and dimensions at every time."""
    asked: Any = spec.curvature
    first = asked.times[0]
    found: dict[int, dict[str, dict[int, DimensionFinding]]] = {t: {} for t in asked.times}
    spectra: dict[int, dict[str, np.ndarray]] = {}
    sigmas: dict[int, float] = {}
    for size, file, name, own in stored_groups(context, artifact, "curvature"):
        sigmas = dict(zip(file["times"][:].tolist(), file["sigma"][:].tolist(), strict=True))
        for time in asked.times:
            values = own[f"normalised/t{time:05d}"][:]
            told = f"contraction/t{time:05d}"
            found[time].setdefault(name, {})[size] = dimension_finding(
                values,
                own["cluster"][:],
                sigma=sigmas[time],
                threshold=asked.threshold,
                confidence=spec.thresholds.confidence,
                contraction=own[told][:] if told in own else None,
            )
            if time == first:
                spectra.setdefault(size, {})[name] = values
    note = note_of(found[first], spec, asked)
    content = Content(spectra, found, first, sigmas[first], asked.skip, list(spec.first_sizes), note)
    return Part(content, [curvature_table(found)], warnings=unresolved(found))
