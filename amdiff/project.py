"""Makes the configuration of a project folder ready to run.

Three things happen before any job starts. The user's files are digested: the digest is part of the dataset's address,
so changed files mean a new artifact. Training-set sizes and image shapes are checked. If a sparse sweep has found the
sizes of a grid, they are read.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import h5py

from amdiff.checks import check, remarks
from amdiff.config import Config, ConfigError, Extent, read_config
from amdiff.data.datasets import peek, source_notes
from amdiff.errors import ArtifactError, DataError
from amdiff.files import read_json
from amdiff.plan import Plan, build_plan, dataset_artifact
from amdiff.sources import find_sources
from amdiff.store import SCRATCH, STORES, Store

SNAKEMAKE = ".snakemake"
"""Folder of Snakemake's own records. Snakemake runs nothing if it cannot write to it."""


def open_plan(configfile: Path, root: Path = Path()) -> Plan:
    """Plan a configuration file, and check it against the data. Raises ``ConfigError``."""
    return prepare(read_config(configfile), root)


def prepare(config: Config, root: Path = Path()) -> Plan:
    """Digest the sources of a configuration, check it against the data, and plan it. Raises ``ConfigError``."""
    notes: list[str] = []
    used = dict.fromkeys(name for e in config.experiments.values() for name in e.datasets)
    config = config.model_copy(update={"sources": find_sources(config, root, notes)})
    extents = {name: _extent(config, name, root) for name in used}
    for name in used:
        notes += [f"datasets.{name}: {note}" for note in source_notes(config.datasets[name])]
    check(config, extents)
    shapes = {name: extent[2] for name, extent in extents.items()}
    plan = replace(settle(config, root), shapes=shapes)
    return replace(plan, notes=(*notes, *remarks(config, extents)))


def settle(config: Config, root: Path = Path()) -> Plan:
    """Plan a prepared configuration, with the sizes of the grids whose sparse sweep is done.

    Raises ``ConfigError`` if the file with such sizes is damaged.
    """
    plan, store = build_plan(config), Store(root)
    waiting = {e.name: e.grid for e in plan.experiments if e.grid is not None and store.complete(e.grid)}
    found = {}
    for name, grid in waiting.items():
        try:
            found[name] = tuple(read_json(store.file(grid))["sizes"])
        except ArtifactError as error:
            raise ConfigError(f"experiments.{name}.sizes: {error}") from None
    return build_plan(config, found) if found else plan


def unwritable(root: Path = Path()) -> list[str]:
    """Folders that a run may have to write to, but cannot."""

    def there(path: Path) -> Path:
        return path if path.exists() else there(path.parent)

    places = dict.fromkeys((SNAKEMAKE, *STORES, "results", "logs", "scratch", os.environ.get(SCRATCH) or "scratch"))
    return [place.as_posix() for place in map(Path, places) if not os.access(there(root.resolve() / place), os.W_OK)]


def image_shape(plan: Plan, dataset: str, root: Path = Path()) -> tuple[int, ...]:
    """Shape of one element of a dataset: (C, H, W) of an image, (2,) of a point. Raises ``ConfigError``."""
    return _extent(plan.config, dataset, root)[2]


def _extent(config: Config, name: str, root: Path) -> Extent:
    """The number of training images or points, the number of test images, and their shape.

    They are read from the canonical file of the dataset, or from its source if there is no such file.
    """
    artifact, spec = dataset_artifact(config, name), config.datasets[name]
    try:
        with h5py.File(root / artifact.folder / artifact.file(), "r") as file:
            if spec.holds == "points":
                return len(file["points"]), 0, tuple(file["points"].shape[1:])
            test = file["split"][:] == 1
            return int((~test).sum()), int(test.sum()), tuple(file["images"].shape[1:])
    except (OSError, KeyError):
        pass  # not made yet, or damaged: `verify` and the stages that read it report damage
    try:
        return peek(spec)
    except (DataError, OSError) as error:
        raise ConfigError(f"datasets.{name}: {error}") from None
