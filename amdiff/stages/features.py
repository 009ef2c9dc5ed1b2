"""Vectors of images that one stage leaves in scratch for others."""

from __future__ import annotations

import shutil
from pathlib import Path

from amdiff.artifacts import Artifact
from amdiff.catalogue import STAGES
from amdiff.plan import Plan
from amdiff.store import Store


def features_folder(store: Store, table: Artifact) -> Path:
    """Folder for the vectors of the images behind a table of neighbours."""
    return store.features() / table.address


def readers(plan: Plan, table: Artifact) -> list[Artifact]:
    """All planned artifacts that search again among the images behind a table of neighbours."""
    return [a for a in plan.by_folder.values() if table.address in {t.address for t in _tables(a)}]


def _tables(artifact: Artifact) -> tuple[Artifact, ...]:
    return artifact.parents.get("neighbors", ()) if STAGES[artifact.stage].searches else ()


def release_features(store: Store, plan: Plan, artifact: Artifact) -> None:
    """Remove the vectors of a table of neighbours once all artifacts that read them are made.

    ``artifact`` has just been made: it is the table, or one of those that read its vectors.
    """
    for table in _tables(artifact) or ((artifact,) if artifact.stage == "neighbors" else ()):
        folder = features_folder(store, table)
        if folder.exists() and all(map(store.complete, readers(plan, table))):
            shutil.rmtree(folder, ignore_errors=True)
