"""Vectors of images that one stage leaves in scratch for others."""

from __future__ import annotations

import contextlib
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
    return artifact.parents.get("neighbors", ()) if STAGES[artifact.stage].rereads else ()


def find_room(store: Store, plan: Plan, size: int, limit_gib: float) -> bool:
    """Whether vectors of ``size`` bytes find room among those that are kept already, within ``limit_gib``.

    If there is too little room, vectors that no artifact of this plan waits for are removed: those of interrupted runs
    and of other configurations. A stage that needs these makes them again.
    """
    if _kept_bytes(store) + size > limit_gib * 2**30:
        awaited = {t.address for a in plan.by_folder.values() if not store.complete(a) for t in _tables(a)}
        for folder in store.features().glob("*"):
            if folder.name not in awaited:
                shutil.rmtree(folder, ignore_errors=True)
    return _kept_bytes(store) + size <= limit_gib * 2**30


def _kept_bytes(store: Store) -> int:
    total = 0
    for path in store.features().glob("*/*.f32"):
        with contextlib.suppress(OSError):  # another process has removed it
            total += path.stat().st_size
    return total


def release_features(store: Store, plan: Plan, artifact: Artifact) -> None:
    """Remove the vectors of a table of neighbours once all artifacts that read them are made.

    ``artifact`` has just been made: it is the table, or one of those that read its vectors.
    """
    for table in _tables(artifact) or (artifact,):
        folder = features_folder(store, table)
        if folder.exists() and all(map(store.complete, readers(plan, table))):
            shutil.rmtree(folder, ignore_errors=True)
