"""Artifacts: files addressed by what they are.

An artifact is one computation's result: a folder whose name ends in

    address = sha256(canonical JSON of {stage, version, params, parents' addresses})[:12]

The address holds every value that can change the result and nothing else. ``spec.json``,
written last, carries those values, the checksums of the other files, and the provenance, which
is not hashed. Where ``spec.json`` stands the artifact is complete; rules depend on it alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

VERSIONS = {
    "dataset": 1,
    "metric": 1,
    "train": 1,
    "convert": 2,
    "sample": 1,
    "neighbors": 3,
    "thresholds": 4,
    "classify": 3,
    "peers": 2,
    "grid": 1,
    "basin": 3,
    "curvature": 2,
    "energy": 1,
    "likelihood": 2,
    "report": 9,
    "comparison": 5,
    "pipeline": 1,
    "generate": 1,
    "spectrum": 2,
    "prompts": 3,
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

SPEC = "spec.json"


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
        """Every artifact this one is made of, parents first, each folder once: of one address there may be several."""
        seen: set[Path] = set()

        def visit(artifact: Artifact) -> Iterator[Artifact]:
            for group in artifact.reads.values():
                for parent in group:
                    if parent.folder not in seen:
                        yield from visit(parent)
                        seen.add(parent.folder)
                        yield parent

        yield from visit(self)
