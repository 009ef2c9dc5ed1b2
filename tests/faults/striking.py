"""Processes that end, as by kill -9, where they give a file its name: before it, or just after.

``python -m tests.faults.striking ROOT FOLDER STEP`` makes one artifact below a project's root, in one process after
the other, each struck STEP writes later than the last and on what the last one left. It prints their exit statuses;
the last one is that of a process that was not struck.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from amdiff.project import open_plan
from amdiff.stages import make


def strike(number: int, after: bool) -> None:
    """End this process at the ``number``-th file that gets its name: before that, or just after."""
    rename, left = Path.replace, itertools.count(number - 1, -1)

    def renamed(path: Path, target: Path) -> Path:
        struck = next(left) == 0
        if not struck or after:
            rename(path, target)
        if struck:
            os.kill(os.getpid(), signal.SIGKILL)
        return target

    Path.replace = renamed  # type: ignore[method-assign, assignment]


def in_child(work: Callable[[], object]) -> int:
    """Status of a forked process that does some work: 0, 1, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(root: Path, folder: str, step: int) -> list[int]:
    """Statuses of the processes."""
    plan = open_plan(root / "config.yaml", root)
    artifact = plan.artifact(folder)
    # imported once, not in each child; nothing may run before the forks, since threads do not survive them
    for module in ("torch", "faiss", f"amdiff.stages.{artifact.stage}"):
        importlib.import_module(module)
    statuses: list[int] = []
    while not statuses or statuses[-1] == -signal.SIGKILL:
        number, after = 1 + step * (len(statuses) // 2), len(statuses) % 2 == 1

        def work(number: int = number, after: bool = after) -> None:
            strike(number, after)
            make(artifact, plan, root)

        statuses.append(in_child(work))
    return statuses


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
