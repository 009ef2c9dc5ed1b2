"""The toy model's landscape."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.figure import Figure

from amdiff.artifacts import Artifact
from amdiff.config import CircleSpec
from amdiff.figures import toy as drawing, toy_tables as words
from amdiff.figures.style import chosen_sizes
from amdiff.files import read_json

from ..context import Context
from ..files import read_h5
from ..toy import LANDSCAPE, SUMMARY
from . import Part

KINDS = ("learned", "empirical", "infinite")


def circle(context: Context, artifact: Artifact, spec: CircleSpec) -> Part:
    """Energies, basins and clusters for each K, and the two-memory case."""
    toys = [_read(context, source) for source in artifact.reads["likelihood"]]
    shown = chosen_sizes([toy.size for toy in toys], 4)
    few = [toy for toy in toys if toy.size in shown]

    def figures() -> Iterator[tuple[str, Figure]]:
        yield "landscape", drawing.landscape(few)
        yield "ring", drawing.ring(few)
        yield "two_memories", drawing.merging()

    summaries = [toy.summary for toy in toys]
    first, *rest = words.sentences(summaries)
    facts = [
        ("samples", f"{summaries[0]['n_samples']:,} of each model"),
        ("noise level shown", f"t = {summaries[0]['time']:g}"),
    ]
    return Part(figures, words.tables(summaries), rest, lead=first, facts=facts)


def _read(context: Context, source: Artifact) -> drawing.Toy:
    path = context.store.file(source, LANDSCAPE)
    names = ("axis", *(f"energy/{k}" for k in KINDS), "score", "points", "samples", "radius")
    arrays = read_h5(path, *names, *(f"profile/{k}" for k in KINDS))
    summary = read_json(context.store.file(source, SUMMARY))
    axis, learned, empirical, infinite, score, points, samples, radius, *profiles = arrays
    return drawing.Toy(
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
