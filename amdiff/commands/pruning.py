"""Artifacts that nothing refers to: what a project could do without."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from amdiff.artifacts import SPEC
from amdiff.config import ConfigError
from amdiff.files import ArtifactError, read_json
from amdiff.project import open_plan, thaw
from amdiff.store import STORES

from . import in_a_project, show

FROZEN = "scratch/config"
"""Where a run leaves the configuration that it uses."""


def prune(configfiles: list[Path] | None, delete: bool, yes: bool = False, root: Path = Path()) -> None:
    """List, or remove, artifacts that nothing refers to.

    Referred to is what a configuration asks for, one of ``configfiles`` or one of a run before, and what a published
    page was made of. Before anything is removed a person is asked, unless ``yes``. Raises ``ConfigError`` where there
    is no configuration, where sizes are still to be found, and where nobody can be asked.
    """
    files = configfiles or [
        p for p in (root / "config.yaml", *sorted((root / "workflow/config").glob("*.yaml"))) if p.exists()
    ]
    if not files:
        in_a_project(root, root / "config.yaml")
    wanted: set[str] = set()
    for file in files:
        chosen = open_plan(file, root)
        waiting = [e.name for e in chosen.experiments if not e.settled]
        if waiting and delete:
            raise ConfigError(
                f"{file}: the sizes of {', '.join(waiting)} are still to be found, so what they will ask for is not "
                "known, and nothing was removed; run their sparse sweep first, or prune without --delete"
            )
        wanted |= {*chosen.by_folder, *chosen.datasets}
    folders = {spec.parent.relative_to(root).as_posix() for s in STORES for spec in (root / s).rglob(SPEC)}
    published = _published(root, folders) & folders - wanted
    earlier = _of_earlier_runs(root, delete) & folders - wanted - published
    for kept, why in (
        (published, "published pages were made of them (results/)"),
        (earlier, f"runs before asked for them; remove what is in {FROZEN}/ to give them up"),
    ):
        if kept:
            show(f"kept: {len(kept)} artifacts that no configuration asks for, since {why}")
    left_over = sorted(folders - wanted - published - earlier)
    sizes = {f: sum(p.stat().st_size for p in (root / f).rglob("*") if p.is_file()) / 2**20 for f in left_over}
    for folder, size in sizes.items():
        show(f"unused {folder} ({size:.1f} MiB)")
    names = ", ".join(map(str, files))
    asked = f"{len(left_over)} of {len(folders)} artifacts, {sum(sizes.values()):.1f} MiB"
    if not delete or not left_over:
        show(f"{asked}, could be removed by --delete: none is asked for by {names}")
        return
    if not yes:
        _ask(f"Remove {asked}, which none of {names} asks for?")
    for folder in left_over:
        (root / folder / SPEC).unlink()
        shutil.rmtree(root / folder)
    show(f"{asked}, removed: none is asked for by {names}")


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise ConfigError("nobody can be asked whether to remove them, and nothing was removed; --yes removes at once")
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfigError("nothing was removed")


def _published(root: Path, folders: set[str]) -> set[str]:
    """Folders of all that published pages were made of."""
    records = {folder: read_json(root / folder / SPEC) for folder in folders}
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
        for read in ("parents", "derived"):
            for addresses in records[folder].get(read, {}).values():
                waiting += [other for address in addresses for other in by_address.get(address, ())]
    return found


def _of_earlier_runs(root: Path, delete: bool) -> set[str]:
    """Folders that configurations frozen by runs ask for.

    Those of other versions of amdiff may not be understood: said, and before a deletion refused by ``ConfigError``.
    """
    found: set[str] = set()
    for path in sorted((root / FROZEN).glob("*.json")):
        try:
            plan = thaw(path, root)
        except (ConfigError, ArtifactError) as error:
            text = f"{path} is not understood, so what that run asked for is not known: {error}"
            if delete:
                raise ConfigError(f"{text}; nothing was removed: remove that file first, if it is not needed") from None
            show(f"note: {text}")
            continue
        found |= {*plan.by_folder, *plan.datasets}
    return found
