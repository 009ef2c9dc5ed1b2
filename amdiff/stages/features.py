"""Vectors of images that one stage leaves to others, in scratch."""

from __future__ import annotations

import shutil
from pathlib import Path

from amdiff.artifacts import Artifact
from amdiff.catalogue import STAGES
from amdiff.plan import Plan
from amdiff.store import Store


def features_folder(store: Store, table: Artifact) -> Path:
    """Folder of the vectors of the images that a table of neighbours is about."""
    return store.features() / table.address


def readers(plan: Plan, table: Artifact) -> list[Artifact]:
    """What searches among the same images again, of all that is planned."""
    return [a for a in plan.by_folder.values() if table.address in {t.address for t in _tables(a)}]


def _tables(artifact: Artifact) -> tuple[Artifact, ...]:
    return artifact.parents.get("neighbors", ()) if STAGES[artifact.stage].searches else ()


def release_features(store: Store, plan: Plan, artifact: Artifact) -> None:
    """Remove what was kept for a table of neighbours when all that reads it is made."""
    for table in _tables(artifact) or ((artifact,) if artifact.stage == "neighbors" else ()):
        folder = features_folder(store, table)
        if folder.exists() and all(map(store.complete, readers(plan, table))):
            shutil.rmtree(folder, ignore_errors=True)
