"""Publishes reports: copies them to a folder with a stable name, where people look at them.

A stamp, a small file, says which report the folder holds. It is removed before the first file is copied and written
after the last one, so a folder with a stamp is complete. The workflow asks for the stamp of the current configuration,
so a published report is never outdated.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from amdiff.artifacts import SPEC
from amdiff.errors import ArtifactError
from amdiff.files import atomic_file, locked, none_from_the_future, read_json, sync_folder, write_bytes
from amdiff.plan import PagePlan
from amdiff.store import Store, check_files

from .console import say


def publish(page: PagePlan, root: Path = Path()) -> None:
    """Copy a report to ``results/<name>``, and remove files that only an older report had.

    Files in that folder that came from no report stay.
    """
    store, target = Store(root), root / page.results
    with locked(root / "scratch/locks" / f"publish-{page.name}"):
        recorded = store.record(page.report)["files"]
        digests = {name: recorded.get(name) for name in page.files}
        # another run may have published it already
        if list(target.glob(".address-*")) != [root / page.stamp] or any(check_files(target, digests)):
            _copy(page, store, root)
        none_from_the_future((root / page.report.folder).rglob("*"))
    say(f"{page.name}: see {target / 'report.html'}")


def _copy(page: PagePlan, store: Store, root: Path) -> None:
    """Copy the files for ``publish``, which holds the lock."""
    target = root / page.results
    before: set[str] = set()
    for stamp in target.glob(".address-*"):
        before |= _files_of(root / stamp.read_bytes().decode(errors="replace").strip())
        stamp.unlink()
        sync_folder(target)
    for name in page.files:
        with atomic_file(target / name) as temporary:
            shutil.copyfile(store.path(page.report, name), temporary)
    for name in before - set(page.files):
        (target / name).unlink(missing_ok=True)
    write_bytes(root / page.stamp, f"{page.report.folder}\n".encode())


def _files_of(report: Path) -> set[str]:
    """Files of the report that an older stamp names, relative to its folder. None are known if the report is gone."""
    try:
        return {name for name in read_json(report / SPEC)["files"] if ".." not in Path(name).parts and name[:1] != "/"}
    except (ArtifactError, KeyError, TypeError, ValueError):
        return set()
