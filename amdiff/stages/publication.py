"""What people look at: copies of a report under a stable name.

A stamp says which report the folder holds. It is removed first and written last, so a folder with a
stamp is whole; the workflow asks for the stamp of the current configuration, so what people look
at is never stale.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from amdiff.artifacts import Store
from amdiff.files import atomic_file, write_bytes
from amdiff.plan import ExperimentPlan

from .context import say


def publish(experiment: ExperimentPlan, root: Path = Path()) -> None:
    """Copy an experiment's report to ``results/<experiment>``, and remove what an older one left there."""
    store, target = Store(root), root / experiment.results
    names = list(store.record(experiment.report)["files"])
    for stamp in target.glob(".address-*"):
        stamp.unlink()
    for name in names:
        with atomic_file(target / name) as temporary:
            shutil.copyfile(store.file(experiment.report, name), temporary)
    wanted = {target / name for name in names}
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_file() and path not in wanted:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    write_bytes(root / experiment.stamp, f"{experiment.report.folder}\n".encode())
    say(f"{experiment.name}: see {target / 'report.html'}")
