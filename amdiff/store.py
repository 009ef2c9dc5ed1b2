"""Stores artifacts on disk. One process at a time makes an artifact, and checksums are verified when it is read."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from amdiff.artifacts import SPEC, Artifact, short_digest
from amdiff.catalogue import STAGES
from amdiff.errors import ArtifactError
from amdiff.files import locked, none_from_the_future, read_json, sha256_file, write_json

STORES = ("artifacts", "data/canonical")
"""Folders that hold artifacts, relative to the project's root."""

SCRATCH = "AMDIFF_SCRATCH"
"""Environment variable that names a folder for resumable states, in place of ``scratch/``."""


class Store:
    """Reads and writes artifacts below a project's root."""

    def __init__(self, root: Path = Path()) -> None:
        self.root = root
        self._scratch = Path(os.environ.get(SCRATCH) or root / "scratch")
        self._verified: set[Path] = set()

    def scratch(self, artifact: Artifact) -> Path:
        """Folder of an artifact's resumable state. It is deleted when the artifact is complete."""
        return self._scratch / artifact.stage / artifact.address

    def features(self) -> Path:
        """Folder where stages share the feature vectors of images."""
        return self._scratch / "features"

    def complete(self, artifact: Artifact) -> bool:
        """Whether an artifact has been made, as its ``spec.json`` shows."""
        return (self.root / artifact.spec).exists()

    @contextlib.contextmanager
    def making(
        self,
        artifact: Artifact,
        provenance: Callable[[], Mapping[str, Any]],
        waiting: Callable[[], None] = lambda: None,
    ) -> Iterator[Path | None]:
        """Yield the folder to fill, or None if the artifact is complete.

        One process at a time makes an artifact; ``waiting`` is called once if another process is at it. On success, the
        checksums of the files in the folder and the ``provenance`` go into ``spec.json``. On failure there is no
        ``spec.json``. Raises ``RuntimeError`` if the stage did not write the files that it should.
        """
        with locked(self._scratch / "locks" / artifact.address, waiting):
            if self.complete(artifact):
                self._tidy(artifact)
                yield None
                return
            folder = self.root / artifact.folder
            shutil.rmtree(folder, ignore_errors=True)  # left by a killed run; resumable state lies in scratch
            folder.mkdir(parents=True)
            yield folder
            files = {p.relative_to(folder).as_posix(): sha256_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}
            wanted = set(STAGES[artifact.stage].files.values())
            if wanted and set(files) != wanted:
                raise RuntimeError(f"stage {artifact.stage!r} wrote {sorted(files)}, expected {sorted(wanted)}")
            derived = {role: [a.address for a in group] for role, group in artifact.derived.items()}
            record = {
                "address": artifact.address,
                **artifact.identity,
                "derived": derived,
                "read": _digest_of_read(artifact.address, derived),
                "files": files,
                "provenance": provenance(),
            }
            write_json(folder / SPEC, record)
            self._tidy(artifact)

    def _tidy(self, artifact: Artifact) -> None:
        """Remove the resumable state of a complete artifact, and see that no file that it read is from the future.

        Snakemake would take the artifact for stale otherwise.
        """
        shutil.rmtree(self.scratch(artifact), ignore_errors=True)
        read = (self.root / parent.folder for group in artifact.reads.values() for parent in group)
        none_from_the_future(path for folder in read for path in folder.rglob("*"))

    def record(self, artifact: Artifact) -> dict[str, Any]:
        """The content of an artifact's ``spec.json``. Raises ``ArtifactError`` if it is missing or damaged."""
        path = self.root / artifact.spec
        record = read_json(path)
        if not (isinstance(record, dict) and all(isinstance(record.get(key), dict) for key in ("files", "provenance"))):
            raise ArtifactError(f"{path} is damaged; delete {path.parent} and run snakemake again")
        return record

    def file(self, artifact: Artifact, content: str | None = None) -> Path:
        """Path of a file of an artifact, after its checksum is verified.

        ``content`` is the name of what the file holds, as for ``Artifact.file``; None for an artifact with one file.
        Raises ``ArtifactError`` if the file is missing or damaged.
        """
        return self.path(artifact, artifact.file(content))

    def path(self, artifact: Artifact, name: str) -> Path:
        """Path of a file of an artifact, given by its file name, after its checksum is verified.

        Raises ``ArtifactError`` if the file is missing or damaged.
        """
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


def _digest_of_read(address: str, derived: Any) -> str:
    """Digest of the artifacts that were read beside the parents. They are not part of the address."""
    return short_digest([address, derived])


def check_file(path: Path, expected: str | None) -> str | None:
    """What is wrong with a file that should have the given SHA-256; None if nothing is."""
    if expected is None:
        return f"{path} is not listed in its {SPEC}"
    if not path.is_file():
        return f"{path} is missing"
    if sha256_file(path) != expected:
        return f"{path} is damaged: its SHA-256 is not the one that {SPEC} records"
    return None


def check_files(folder: Path, digests: Mapping[str, str | None]) -> Iterator[str]:
    """All problems of the files of a folder, whose names and expected SHA-256 are ``digests``."""
    return (problem for name, digest in digests.items() if (problem := check_file(folder / name, digest)))


def check_folder(spec: Path) -> list[str]:
    """All problems of the artifact whose ``spec.json`` is given; empty if it is whole."""
    try:
        record = read_json(spec)
        files = dict(record["files"])
        identity = {key: record[key] for key in ("stage", "version", "params", "parents")}
        address = short_digest(identity)
    except (ArtifactError, KeyError, TypeError, ValueError) as error:
        return [f"{spec} is damaged: {error}"]
    problems = list(check_files(spec.parent, files))
    if "derived" in record or "read" in record:  # artifacts of older versions lack both
        whole = {"derived", "read"} <= record.keys()
        if not whole or record["read"] != _digest_of_read(record.get("address", ""), record["derived"]):
            problems.append(f"{spec} is damaged: its entries 'derived' and 'read' do not agree")
    if address != record.get("address"):
        problems.append(
            f"{spec} is damaged: its address {record.get('address')} does not follow from its other entries"
        )
    return problems
