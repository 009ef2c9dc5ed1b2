"""The landscape of an experiment on the circle."""

from __future__ import annotations

from amdiff.artifacts import Artifact
from amdiff.config import CircleSpec
from amdiff.figures import circle_tables as words
from amdiff.figures.circle import Found
from amdiff.figures.style import chosen_sizes
from amdiff.files import read_json

from ..context import Context
from ..hdf5 import read_h5
from . import Part

KINDS = ("learned", "empirical", "infinite")


def circle(context: Context, artifact: Artifact, spec: CircleSpec) -> Part:
    """Energies, basins and clusters for each K, and the two-memory case."""
    found = [_read(context, source) for source in artifact.reads["likelihood"]]
    shown = chosen_sizes([one.size for one in found], 4)
    summaries = [one.summary for one in found]
    first, *rest = words.sentences(summaries)
    facts = [
        ("samples", f"{summaries[0]['n_samples']:,} of each model"),
        ("noise level shown", f"t = {summaries[0]['time']:g}"),
    ]
    content = [one for one in found if one.size in shown]
    return Part(content, words.tables(summaries), rest, lead=first, facts=facts)


def _read(context: Context, source: Artifact) -> Found:
    path = context.store.file(source, "landscape")
    names = ("axis", *(f"energy/{k}" for k in KINDS), "score", "points", "samples", "radius")
    arrays = read_h5(path, *names, *(f"profile/{k}" for k in KINDS))
    summary = read_json(context.store.file(source, "summary"))
    axis, learned, empirical, infinite, score, points, samples, radius, *profiles = arrays
    return Found(
        summary,
        axis=axis,
        learned=learned,
        empirical=empirical,
        infinite=infinite,
        score=score,
        points=points,
        samples=samples,
        radius=radius,
        profiles=dict(zip(KINDS, profiles, strict=True)),
    )
