"""Chooses the training-set sizes of a grid from a sparse sweep."""

from __future__ import annotations

from pathlib import Path

from amdiff.artifacts import Artifact
from amdiff.config import ConfigError, GridSpec
from amdiff.files import write_json
from amdiff.phases.transition import find_transition

from .console import say
from .context import Context
from .stored_tables import read_summaries


def grid(context: Context, artifact: Artifact, folder: Path) -> None:
    """Choose training-set sizes around the fall of memorization that a sparse sweep finds (appendix B.1).

    Raises ``ConfigError`` if a given end of the fall contradicts the one that was found.
    """
    spec = GridSpec.model_validate(artifact.params["grid"])
    summaries = sorted(read_summaries(context, artifact.parents["classify"]), key=lambda s: s["size"])
    sizes, shares = [s["size"] for s in summaries], [s["fractions"]["memorized"]["value"] for s in summaries]
    found = find_transition(sizes, shares, spec.fallen)
    fall, plateau = spec.fall or found[0], spec.plateau or found[1]
    if fall >= plateau:
        raise ConfigError(
            f"memorization falls from K = {found[0]:,} to {found[1]:,} in the sparse sweep, which contradicts the "
            f"value that is given: fall must be less than plateau, but fall is {fall:,} and plateau is {plateau:,}; "
            "give both or none"
        )
    chosen = spec.around(fall, plateau)
    write_json(
        folder / artifact.file(),
        {"fall": fall, "plateau": plateau, "sizes": chosen, "sparse": {"sizes": sizes, "memorized": shares}},
    )
    say(f"grid {artifact.subject} {artifact.label}: memorization falls from K = {fall:,} to {plateau:,}; "
        f"{len(chosen)} sizes")  # fmt: skip
