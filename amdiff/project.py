"""A project folder: a configuration made ready to run.

Before any job starts, sources of one's own are looked at (their digest is part of the dataset's
address, so changed files mean a new artifact), and training-set sizes and image shapes are
checked. What a run uses is then frozen in ``scratch/config/<digest>.json``, so that editing
``config.yaml`` in its midst disturbs nothing.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import h5py

from amdiff.artifacts import FILES, Artifact, canonical_json, short_digest
from amdiff.checks import Extent, check, remarks
from amdiff.config import CircleDataset, Config, ConfigError, parse_config, read_config
from amdiff.data.datasets import peek, source_notes
from amdiff.data.images import DataError
from amdiff.files import ArtifactError, read_json, write_bytes
from amdiff.leases import has_driver
from amdiff.plan import Plan, build_plan, dataset_artifact, wants_gpu
from amdiff.plan.costs import KINDS, seconds
from amdiff.sources import find_sources
from amdiff.store import SCRATCH, STORES, Store

(GRID,), (IMAGES,) = FILES["grid"], FILES["dataset"]

SNAKEMAKE = ".snakemake"
"""Folder of Snakemake's own notes; it runs nothing where it cannot write them."""


def open_plan(configfile: Path, root: Path = Path()) -> Plan:
    """The plan of a configuration file, checked against the data. Raises ``ConfigError``."""
    return prepare(read_config(configfile), root)


def prepare(config: Config, root: Path = Path()) -> Plan:
    """Look at the sources, check what can be checked, and plan. Raises ``ConfigError``."""
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
    """The plan of a prepared configuration, with the sizes of grids whose sparse sweep is done.

    Raises ``ConfigError``.
    """
    plan, store = build_plan(config), Store(root)
    waiting = {e.name: e.grid for e in plan.experiments if e.grid is not None and store.complete(e.grid)}
    found = {}
    for name, grid in waiting.items():
        try:
            found[name] = tuple(read_json(store.file(grid, GRID))["sizes"])
        except ArtifactError as error:
            raise ConfigError(f"experiments.{name}.sizes: {error}") from None
    return build_plan(config, found) if found else plan


def unwritable(root: Path = Path()) -> list[str]:
    """Folders that a run may have to write to and cannot."""

    def there(path: Path) -> Path:
        return path if path.exists() else there(path.parent)

    places = dict.fromkeys((SNAKEMAKE, *STORES, "results", "logs", "scratch", os.environ.get(SCRATCH) or "scratch"))
    return [place.as_posix() for place in map(Path, places) if not os.access(there(root.resolve() / place), os.W_OK)]


def freeze(config: Config, root: Path = Path()) -> Path:
    """Write a prepared configuration to its place in scratch, and return the path relative to the root."""
    plain = json.loads(config.model_dump_json())
    content, path = canonical_json(plain).encode(), Path("scratch/config") / f"{short_digest(plain)}.json"
    if not (root / path).is_file() or (root / path).read_bytes() != content:
        write_bytes(root / path, content)
    return path


def pack(config: Config) -> str:
    """A prepared configuration in letters, digits and few signs, for an environment variable."""
    return base64.b64encode(zlib.compress(config.model_dump_json().encode())).decode()


def unpack(text: str) -> Config:
    """The configuration that ``pack`` gave."""
    return parse_config(json.loads(zlib.decompress(base64.b64decode(text))))


def thaw(path: Path, root: Path = Path()) -> Plan:
    """The plan of a frozen configuration, or of a configuration file. Raises ``ConfigError``."""
    if path.suffix == ".json" and path.parent.parts[-2:] == ("scratch", "config") and path.exists():
        return settle(parse_config(read_json(path)), root)
    return open_plan(path, root)


def image_shape(plan: Plan, dataset: str, root: Path = Path()) -> tuple[int, ...]:
    """Shape (C, H, W) of a dataset's images, (2,) of its points."""
    return _extent(plan.config, dataset, root)[2]


DAY = 86400.0
"""Seconds of work from which a person is warned."""


def long_runs(plan: Plan, root: Path = Path()) -> list[str]:
    """A sentence where what experiments still have to make takes more than a day: how long, and what takes most."""
    store, driver = Store(root), has_driver()
    parts: dict[tuple[str, str], float] = defaultdict(float)
    on_gpus, wanted = 0.0, False
    for experiment, artifact in {a.folder: (e, a) for e in plan.experiments for a in e.artifacts()}.values():
        if store.complete(artifact):
            continue
        gpu = wants_gpu(artifact, plan.config.runtime.device)
        wanted |= gpu
        parts[KINDS.get(artifact.stage, "comparisons"), experiment.name] += cost(plan, artifact, gpu and driver)
        on_gpus += cost(plan, artifact, gpu)
    total = sum(parts.values())
    if total <= DAY:
        return []
    (kind, name), most = max(parts.items(), key=lambda part: part[1])
    unit = "a GPU" if wanted and driver else "one processor core"
    other = f", or {on_gpus / 3600:,.0f} of a GPU" if wanted and not driver else ""
    return [
        f"this takes about {total / 3600:,.0f} hours of {unit}{other}, by the networks' arithmetic; {kind} of {name} "
        f"takes {most / total:.0%} of it; `amdiff plan` lists all, `amdiff plan --measure` times the networks"
    ]


def cost(plan: Plan, artifact: Artifact, gpu: bool | None = None) -> float:
    """Seconds that an artifact takes about: on a GPU or not, by default as it gets one here."""
    if gpu is None:
        gpu = wants_gpu(artifact, plan.config.runtime.device) and has_driver()
    return seconds(artifact, plan.shapes.get(artifact.dataset, (1, 1, 1)), gpu)


def _extent(config: Config, name: str, root: Path) -> Extent:
    """Training images or points, test images, their shape: of the canonical file where it is there, else the source."""
    path = root / dataset_artifact(config, name).folder / IMAGES
    spec = config.datasets[name]
    try:
        with h5py.File(path, "r") as file:
            if isinstance(spec, CircleDataset):
                return len(file["points"]), 0, tuple(file["points"].shape[1:])
            test = file["split"][:] == 1
            return int((~test).sum()), int(test.sum()), tuple(file["images"].shape[1:])
    except (OSError, KeyError):
        pass  # not made yet; or damaged, which `verify` and the stages that read it say
    try:
        return peek(spec)
    except (DataError, OSError) as error:
        raise ConfigError(f"datasets.{name}: {error}") from None
