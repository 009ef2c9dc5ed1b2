"""Twins: models of disjoint training sets that draw from the same noise."""

from __future__ import annotations

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec
from amdiff.figures.twins import Content, twins_sentences, twins_table
from amdiff.files import read_json

from ..context import Context
from . import Part


def twins(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Coincidences between two models beside the spurious share of one, and the agreement from the same noise."""
    found = [read_json(context.store.file(a)) for a in artifact.reads["twins"]]
    return Part(Content(found), [twins_table(found)], twins_sentences(found))
