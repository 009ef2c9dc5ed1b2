"""Reads what the sections about the landscape share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import h5py

from amdiff.artifacts import Artifact
from amdiff.config import AnalysisSpec, ExperimentSpec
from amdiff.figures.curves import left_out
from amdiff.figures.first_screen import recipe
from amdiff.figures.phases_sentences import most_spurious
from amdiff.landscape.targets import GROUPS

from ..context import Context
from ..stored_tables import read_summaries


def note_of(found: Mapping[str, Mapping[int, object]], spec: ExperimentSpec, analysis: AnalysisSpec) -> str:
    """A note about training length and sampler, and about the classes that are missing at some K."""
    missing = left_out({name: list(rows) for name, rows in found.items()}, spec.first_sizes, analysis.min_share)
    return "; ".join(text for text in (recipe(spec), missing) if text)


def peak_of(context: Context, artifact: Artifact) -> int:
    """The K with the largest share of spurious samples."""
    return int(most_spurious(read_summaries(context, artifact.reads["classify"]))["size"])


def stored_groups(context: Context, artifact: Artifact, stage: str) -> Iterator[tuple[int, h5py.File, str, h5py.Group]]:
    """Yield (K, file, name, arrays) for each kind of targets that an analysis of the stage ``stage`` has stored."""
    for source in artifact.reads[stage]:
        with h5py.File(context.store.file(source), "r") as file:
            for group in (g for g in GROUPS if g in file):
                yield source.params["size"], file, group, file[group]
