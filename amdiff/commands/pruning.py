"""``amdiff prune``: lists or removes artifacts that nothing needs."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amdiff.artifacts import SPEC
from amdiff.config import ConfigError
from amdiff.errors import ArtifactError
from amdiff.files import read_json
from amdiff.frozen import thaw
from amdiff.plan import Plan
from amdiff.project import open_plan
from amdiff.store import STORES

from .telling import in_a_project, show

FROZEN = "scratch/config"
"""Folder in which each run keeps the configuration that it uses."""


@dataclass(frozen=True)
class _Kept:
    """Folders of artifacts, by the reason to keep them."""

    asked: set[str]
    """Artifacts that a configuration asks for."""
    published: set[str]
    """Artifacts of which published pages were made."""
    earlier: set[str]
    """Artifacts that earlier runs asked for."""
    unclear: list[str]
    """Messages about files that could not be understood, so it is not known what they need."""


def prune(configfiles: list[Path] | None, delete: bool, yes: bool = False, root: Path = Path()) -> None:
    """List, or remove, artifacts that nothing needs.

    An artifact is needed if one of ``configfiles`` or an earlier run asks for it, or if a published page was made of
    it. Before a removal the user is asked, unless ``yes`` is true; then the needed artifacts are determined once more.

    Raises ``ConfigError`` if there is no configuration. With ``delete`` also if it is not clear which artifacts are
    needed, if the user cannot be asked, or if the user says no.
    """
    files = configfiles or [
        p for p in (root / "config.yaml", *sorted((root / "workflow/config").glob("*.yaml"))) if p.exists()
    ]
    if not files:
        in_a_project(root, root / "config.yaml")
    folders = {spec.parent.relative_to(root).as_posix() for s in STORES for spec in (root / s).rglob(SPEC)}
    kept = _kept(files, folders, root)
    for text in kept.unclear:
        show(f"note: {text}")
    if kept.unclear and delete:
        raise ConfigError("nothing was removed, since it is not clear what is needed (see the notes above)")
    for some, why in (
        (kept.published & folders - kept.asked, "published pages were made of them (results/)"),
        (
            kept.earlier & folders - kept.asked - kept.published,
            f"earlier runs asked for them; remove what is in {FROZEN}/ to give them up",
        ),
    ):
        if some:
            show(f"kept: {len(some)} artifacts that no configuration asks for, since {why}")
    unused = _unused(kept, folders)
    sizes = {f: sum(p.stat().st_size for p in (root / f).rglob("*") if p.is_file()) / 2**20 for f in unused}
    for folder, size in sizes.items():
        show(f"unused {folder} ({size:.1f} MiB)")
    names = ", ".join(map(str, files))
    counted = f"{len(unused)} of {len(folders)} artifacts, {sum(sizes.values()):.1f} MiB"
    if not delete or not unused:
        show(f"{counted}, could be removed by --delete; none of them is needed by {names}")
        return
    if not yes:
        _ask(f"Remove {counted} (not needed by {names})?")
    again = set(_unused(_kept(files, folders, root), folders))  # a run may have started in the meantime
    for folder in (folder for folder in unused if folder in again):
        (root / folder / SPEC).unlink()
        shutil.rmtree(root / folder)
    show(f"{counted}, were removed; none of them is needed by {names}")


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise ConfigError(
            "nobody can be asked whether to remove them, and nothing was removed; --yes removes without asking"
        )
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfigError("nothing was removed")


def _unused(kept: _Kept, folders: set[str]) -> list[str]:
    return sorted(folders - kept.asked - kept.published - kept.earlier)


def _kept(files: list[Path], folders: set[str], root: Path) -> _Kept:
    """Find the artifacts that are needed. Raises ``ConfigError`` if a configuration file cannot be planned."""
    unclear: list[str] = []

    def asked_for(plan: Plan, name: Path) -> set[str]:
        if waiting := [e.name for e in plan.experiments if not e.settled]:
            unclear.append(
                f"{name}: the sizes of {', '.join(waiting)} are not known yet, nor the artifacts that they will need; "
                "run the sparse sweep first"
            )
        return {*plan.by_folder, *plan.datasets}

    asked = {folder for file in files for folder in asked_for(open_plan(file, root), file)}
    earlier: set[str] = set()
    for path in sorted((root / FROZEN).glob("*.json")):
        try:
            earlier |= asked_for(thaw(path, root), path)
        except (ConfigError, ArtifactError) as error:
            unclear.append(
                f"{path} is not understood, so what that run asked for is not known ({error}); remove the file if "
                "that run is no longer needed"
            )
    return _Kept(asked, _published(folders, root, unclear), earlier, unclear)


def _published(folders: set[str], root: Path, unclear: list[str]) -> set[str]:
    """Folders of all artifacts of which published pages were made. Problems are added to ``unclear``."""
    records: dict[str, dict[str, Any]] = {}
    for folder in sorted(folders):
        try:
            record = read_json(root / folder / SPEC)
        except ArtifactError as error:
            unclear.append(f"{error}; `amdiff verify` says what to do")
            continue
        if isinstance(record, dict):
            records[folder] = record
        else:
            unclear.append(f"{root / folder / SPEC} is damaged; `amdiff verify` says what to do")
    by_address: dict[str, list[str]] = {}
    for folder, record in records.items():
        by_address.setdefault(record.get("address", ""), []).append(folder)
    waiting = [s.read_bytes().decode(errors="replace").strip() for s in root.glob("results/*/.address-*")]
    found: set[str] = set()
    while waiting:
        folder = waiting.pop()
        if folder in found or folder not in records:
            continue
        found.add(folder)
        record = records[folder]
        if "derived" not in record and record.get("parents", {}).get("grid"):
            unclear.append(
                f"{folder} does not record what it was made of, since an older version made it; make it again"
            )
        for read in ("parents", "derived"):
            for addresses in record.get(read, {}).values():
                waiting += [other for address in addresses for other in by_address.get(address, ())]
    return found
