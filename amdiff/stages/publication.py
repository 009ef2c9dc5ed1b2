"""What people look at: copies of a report under a stable name.

A stamp says which report the folder holds. It is removed first and written last, so a folder with a
stamp is whole; the workflow asks for the stamp of the current configuration, so what people look
at is never stale.
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
    """Copy a report to ``results/<name>``, and remove what only an older one had.

    Files of other origin are left alone.
    """
    store, target = Store(root), root / page.results
    with locked(root / "scratch/locks" / f"publish-{page.name}"):
        recorded = store.record(page.report)["files"]
        digests = {name: recorded.get(name) for name in page.files}
        # another run may have published it
        if list(target.glob(".address-*")) != [root / page.stamp] or any(check_files(target, digests)):
            _copy(page, store, root)
        none_from_the_future((root / page.report.folder).rglob("*"))
    say(f"{page.name}: see {target / 'report.html'}")


def _copy(page: PagePlan, store: Store, root: Path) -> None:
    """As ``publish``, by the process that holds the lock."""
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
    """Files of the report that an older stamp names, below its folder; none where it is gone."""
    try:
        return {name for name in read_json(report / SPEC)["files"] if ".." not in Path(name).parts and name[:1] != "/"}
    except (ArtifactError, KeyError, TypeError, ValueError):
        return set()
