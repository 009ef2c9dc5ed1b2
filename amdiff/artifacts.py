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

from amdiff.catalogue import STAGES

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
    subject: str
    """Name of what it belongs to, a dataset, a comparison or prompts: the folder, no part of the address."""
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
            "version": STAGES[self.stage].version,
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
            return Path("data/canonical") / self.subject / name
        return Path("artifacts") / self.subject / self.stage / name

    @property
    def spec(self) -> Path:
        """The file whose existence says that all is complete."""
        return self.folder / SPEC

    def file(self, content: str | None = None) -> str:
        """Name of the file that holds something, as the stage's record has it; of its only one for None.

        Raises ``KeyError`` where the stage has no such file, ``ValueError`` where it has several and none is named.
        """
        files = STAGES[self.stage].files
        if content is not None:
            return files[content]
        (only,) = files.values()
        return only

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
