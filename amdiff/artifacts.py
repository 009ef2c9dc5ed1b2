"""Artifacts: files addressed by what they are.

An artifact is one computation's result: a folder whose name ends in

    address = sha256(canonical JSON of {stage, version, params, parents' addresses})[:12]

The address holds every value that can change the result and nothing else. ``spec.json``,
written last, carries those values, the checksums of the other files, and the provenance, which
is not hashed. Where ``spec.json`` stands the artifact is complete; rules depend on it alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from amdiff.files import ArtifactError, locked, none_from_the_future, read_json, sha256_file, write_json

VERSIONS = {
    "dataset": 1,
    "metric": 1,
    "train": 1,
    "convert": 1,
    "sample": 1,
    "neighbors": 2,
    "thresholds": 3,
    "classify": 2,
    "peers": 2,
    "grid": 1,
    "basin": 2,
    "curvature": 1,
    "energy": 1,
    "likelihood": 1,
    "report": 7,
    "comparison": 2,
    "pipeline": 1,
    "generate": 1,
    "spectrum": 1,
    "prompts": 2,
}
"""The meaning of each stage's results; raise a number when its meaning changes."""

FILES = {
    "dataset": ("images.h5",),
    "metric": ("weights.safetensors",),
    "train": ("weights.safetensors", "metrics.jsonl"),
    "convert": ("weights.safetensors", "network.json"),
    "sample": ("samples.h5",),
    "neighbors": ("neighbors.h5",),
    "thresholds": ("thresholds.json",),
    "classify": ("samples.parquet", "summary.json"),
    "peers": ("peers.json", "peers.parquet"),
    "grid": ("grid.json",),
    "basin": ("basin.h5",),
    "curvature": ("curvature.h5",),
    "energy": ("energy.h5",),
    "likelihood": ("landscape.h5", "landscape.json"),
    "pipeline": ("pipeline.json",),
    "generate": ("generation.h5",),
    "spectrum": ("spectrum.h5",),
}
"""Files of each stage's artifacts; those of pages depend on their sections."""

STORES = ("artifacts", "data/canonical")
"""Folders that hold artifacts, relative to a project's root."""

SPEC = "spec.json"

GRACE = 5.0
"""Seconds within which a process that is to make an artifact again has taken its lock."""

SCRATCH = "AMDIFF_SCRATCH"
"""Environment variable that names a folder for resumable states, in place of ``scratch/``."""


def canonical_json(value: Any) -> str:
    """The one JSON text of plain data: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def short_digest(value: Any) -> str:
    """Twelve hexadecimal digits of the SHA-256 of plain data's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Artifact:
    """What a computation is: its stage, its parameters and the artifacts it reads."""

    stage: str
    dataset: str
    """Name of the dataset: the folder, no part of the address."""
    label: str
    """Readable prefix of the folder, for people; nothing parses it."""
    params: Mapping[str, Any]
    """Plain JSON data: every value that decides the result."""
    parents: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)
    """Artifacts read, by role."""
    derived: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)
    """Artifacts read as well that follow from the parameters and the parents' content; no part of the address."""

    @property
    def reads(self) -> Mapping[str, tuple[Artifact, ...]]:
        """All artifacts read, by role."""
        return {**self.parents, **self.derived}

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What is hashed."""
        return {
            "stage": self.stage,
            "version": VERSIONS[self.stage],
            "params": self.params,
            "parents": {role: [p.address for p in group] for role, group in self.parents.items()},
        }

    @cached_property
    def address(self) -> str:
        """The digest of ``identity``."""
        return short_digest(self.identity)

    @cached_property
    def folder(self) -> Path:
        """Where the artifact lies, relative to the project's root."""
        name = f"{self.label}-{self.address}" if self.label else self.address
        if self.stage == "dataset":
            return Path("data/canonical") / self.dataset / name
        return Path("artifacts") / self.dataset / self.stage / name

    @property
    def spec(self) -> Path:
        """The file whose existence says that all is complete."""
        return self.folder / SPEC

    def parent(self, role: str) -> Artifact:
        """The only parent with this role."""
        (only,) = self.parents[role]
        return only

    def ancestors(self) -> Iterator[Artifact]:
        """Every artifact this one is made of, each once, parents first."""
        seen: set[str] = set()

        def visit(artifact: Artifact) -> Iterator[Artifact]:
            for group in artifact.reads.values():
                for parent in group:
                    if parent.address not in seen:
                        yield from visit(parent)
                        seen.add(parent.address)
                        yield parent

        yield from visit(self)


class Store:
    """Reads and writes artifacts below a project's root."""

    def __init__(self, root: Path = Path()) -> None:
        self.root = root
        self._scratch = Path(os.environ.get(SCRATCH) or root / "scratch")
        self._verified: set[Path] = set()

    def scratch(self, artifact: Artifact) -> Path:
        """Folder of an artifact's resumable state; deleted when the artifact is complete."""
        return self._scratch / artifact.stage / artifact.address

    def complete(self, artifact: Artifact) -> bool:
        return (self.root / artifact.spec).exists()

    @contextlib.contextmanager
    def making(
        self,
        artifact: Artifact,
        provenance: Callable[[], Mapping[str, Any]],
        waiting: Callable[[], None] = lambda: None,
    ) -> Iterator[Path | None]:
        """Yield the folder to fill, or None where another process has made the artifact.

        One process at a time makes an artifact. On success the checksums of what the folder
        holds and the provenance go into ``spec.json``; on failure there is none.
        """
        with locked(self._scratch / "locks" / artifact.address, waiting):
            if self.complete(artifact):
                yield None
                return
            folder = self.root / artifact.folder
            shutil.rmtree(folder, ignore_errors=True)  # what a killed run left; resumable state is in scratch
            folder.mkdir(parents=True)
            yield folder
            files = {p.relative_to(folder).as_posix(): sha256_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}
            wanted = FILES.get(artifact.stage)
            if wanted is not None and set(files) != set(wanted):
                raise RuntimeError(f"stage {artifact.stage!r} wrote {sorted(files)}, expected {sorted(wanted)}")
            record = {"address": artifact.address, **artifact.identity, "files": files, "provenance": provenance()}
            write_json(folder / SPEC, record)
            read = (self.root / p.folder for group in artifact.reads.values() for p in group)
            none_from_the_future(path for folder in read for path in folder.rglob("*"))
            shutil.rmtree(self.scratch(artifact), ignore_errors=True)

    def _await(self, artifact: Artifact) -> None:
        """Wait for another run, which may be about to make an artifact that was there: Snakemake removes it first.

        Whoever waits makes something of the artifact, so nobody waits for them.
        """
        end = time.monotonic() + GRACE
        while not self.complete(artifact) and time.monotonic() < end:
            with locked(self._scratch / "locks" / artifact.address):
                pass
            time.sleep(0.1)

    def record(self, artifact: Artifact) -> dict[str, Any]:
        """The content of ``spec.json``. Raises ``ArtifactError``."""
        path = self.root / artifact.spec
        if not path.exists() and path.parent.exists():
            self._await(artifact)
        record = read_json(path)
        if not (isinstance(record, dict) and all(isinstance(record.get(key), dict) for key in ("files", "provenance"))):
            raise ArtifactError(f"{path} is damaged; delete {path.parent} and run snakemake again")
        return record

    def file(self, artifact: Artifact, name: str) -> Path:
        """Path of one of an artifact's files, its checksum verified. Raises ``ArtifactError``."""
        path = self.root / artifact.folder / name
        if path not in self._verified:
            expected = self.record(artifact)["files"].get(name)
            problem = check_file(path, expected)
            if problem:
                raise ArtifactError(
                    f"{problem}; delete {self.root / artifact.folder}, then dvc pull, or run snakemake again"
                )
            self._verified.add(path)
        return path


def check_file(path: Path, expected: str | None) -> str | None:
    """What is wrong with a file that should have the given SHA-256, or None."""
    if expected is None:
        return f"{path} is not listed in its {SPEC}"
    if not path.is_file():
        return f"{path} is missing"
    if sha256_file(path) != expected:
        return f"{path} is damaged: its SHA-256 is not the one that {SPEC} records"
    return None


def check_folder(spec: Path) -> list[str]:
    """Every problem of the artifact whose ``spec.json`` is given; empty when it is whole."""
    try:
        record = read_json(spec)
        files = dict(record["files"])
        identity = {key: record[key] for key in ("stage", "version", "params", "parents")}
        address = short_digest(identity)
    except (ArtifactError, KeyError, TypeError, ValueError) as error:
        return [f"{spec} is damaged: {error}"]
    problems = [problem for name, digest in files.items() if (problem := check_file(spec.parent / name, digest))]
    if address != record.get("address"):
        problems.append(f"{spec} is damaged: what it records does not give its address {record.get('address')}")
    return problems
