"""Artifacts: results of computations, stored in folders whose names follow from what was computed.

An artifact is the result of one computation. The name of its folder ends in

    address = sha256(canonical JSON of {stage, version, params, parents' addresses})[:12]

The address depends on every value that can change the result, and on nothing else. ``spec.json`` contains these values,
the checksums of the other files, and the provenance, which is not part of the address. It is written last, so an
artifact with a ``spec.json`` is complete. The rules of the workflow depend on this file only.
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
"""Name of the file that describes an artifact."""


def canonical_json(value: Any) -> str:
    """The canonical JSON text of plain data: sorted keys and no spaces. Raises ``ValueError`` for NaN or infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def short_digest(value: Any) -> str:
    """The first twelve hexadecimal digits of the SHA-256 of the canonical JSON of plain data."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Artifact:
    """A computation, described by its stage, its parameters and the artifacts that it reads."""

    stage: str
    """Name of the stage that makes it."""
    subject: str
    """Name of the dataset, comparison or prompts that it belongs to. It gives the folder, not the address."""
    label: str
    """Prefix of the folder's name, for people only."""
    params: Mapping[str, Any]
    """Every value that decides the result, as plain JSON data."""
    parents: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)
    """Artifacts that the computation reads, by role. Default none."""
    derived: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)
    """Further artifacts that it reads, by role. They follow from the parameters and the content of the parents, so they
    are not part of the address. Default none."""

    @property
    def reads(self) -> Mapping[str, tuple[Artifact, ...]]:
        """All artifacts that the computation reads, by role."""
        return {**self.parents, **self.derived}

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The values that decide the address."""
        return {
            "stage": self.stage,
            "version": STAGES[self.stage].version,
            "params": self.params,
            "parents": {role: [p.address for p in group] for role, group in self.parents.items()},
        }

    @cached_property
    def address(self) -> str:
        """The address: twelve hexadecimal digits, the digest of ``identity``."""
        return short_digest(self.identity)

    @cached_property
    def folder(self) -> Path:
        """Folder of the artifact, relative to the project's root."""
        name = f"{self.label}-{self.address}" if self.label else self.address
        if self.stage == "dataset":
            return Path("data/canonical") / self.subject / name
        return Path("artifacts") / self.subject / self.stage / name

    @property
    def spec(self) -> Path:
        """The file whose existence tells that the artifact is complete, relative to the project's root."""
        return self.folder / SPEC

    @property
    def files(self) -> list[str]:
        """Names of its files, beside ``spec.json``. Those of a page are among its parameters, since pages differ."""
        return list(STAGES[self.stage].files.values()) or self.params["files"]

    def file(self, content: str | None = None) -> str:
        """Name of the file that holds ``content``, a key of ``files`` in the record of the stage.

        None stands for the only file. Raises ``KeyError`` if the stage has no such file, and ``ValueError`` if
        ``content`` is None and the stage has several files.
        """
        files = STAGES[self.stage].files
        if content is not None:
            return files[content]
        (only,) = files.values()
        return only

    def parent(self, role: str) -> Artifact:
        """The parent with this role. Raises ``ValueError`` if there are several, ``KeyError`` if there is none."""
        (only,) = self.parents[role]
        return only

    def ancestors(self) -> Iterator[Artifact]:
        """Every artifact that this one is made from, parents first.

        Each folder comes once. Artifacts in different folders may have the same address.
        """
        seen: set[Path] = set()

        def visit(artifact: Artifact) -> Iterator[Artifact]:
            for group in artifact.reads.values():
                for parent in group:
                    if parent.folder not in seen:
                        yield from visit(parent)
                        seen.add(parent.folder)
                        yield parent

        yield from visit(self)
