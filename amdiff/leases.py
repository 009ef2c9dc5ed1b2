"""Leases on the GPUs of a node: each job computes on a device of its own.

Snakemake counts GPUs and pins none. So a job takes a kernel lock on one device's file in a folder of the user
on that node, shows CUDA that device only, and holds the lock as long as it lives; the kernel frees it even after
kill -9. Where no device is free it waits. Where a scheduler has assigned one device, there is nothing to do; where it
has assigned several, as to a whole workflow in one allocation, they are shared as those of a node are.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from amdiff.files import take_lock

DEVICES = "AMDIFF_GPUS"
"""Environment variable that names the devices of a node, as '0,1', in place of asking its driver."""

VISIBLE = "CUDA_VISIBLE_DEVICES"
SCHEDULERS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
"""Environment variables in which schedulers name a job; they tell its devices by ``CUDA_VISIBLE_DEVICES``."""

POLL = 0.5
"""Seconds between two looks for a free device."""


def devices(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Names of the devices that jobs share; empty where there is none.

    Those of ``AMDIFF_GPUS``, else those that CUDA is allowed to see, else, outside a scheduler, all that the driver
    knows.
    """
    for variable in (DEVICES, VISIBLE):
        if variable in environment:
            return [name.strip() for name in environment[variable].split(",") if name.strip() not in ("", "-1")]
    if _allocation(environment):
        return []
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(i) for i, _ in enumerate(line for line in listing.splitlines() if line.startswith("GPU "))]


def _allocation(environment: Mapping[str, str]) -> str:
    """The scheduler's name of this job; empty outside one. Devices of two jobs may have the same names."""
    return next((environment[variable] for variable in SCHEDULERS if variable in environment), "")


def folder() -> Path:
    """Where the locks of this user on this node lie. Raises ``PermissionError`` where it is someone else's."""
    path = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"amdiff-gpus-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user; set XDG_RUNTIME_DIR to a folder of your own")
    return path


@contextlib.contextmanager
def gpu(wanted: bool, waiting: Callable[[list[str]], None] = lambda taken: None) -> Iterator[str | None]:
    """Hold one device, and let CUDA see it alone: its name, or None where there is none.

    One that a scheduler has assigned is left as it is. Without ``wanted`` CUDA sees no device. ``waiting`` hears once
    that all devices are taken.
    """
    before = os.environ.get(VISIBLE)
    names = devices() if wanted else []
    allocation = _allocation(os.environ)
    with contextlib.ExitStack() as held:
        name = None
        if not wanted:
            os.environ[VISIBLE] = ""
        elif len(names) > 1 or (names and not allocation):
            os.environ[VISIBLE] = name = _take(names, allocation, held, waiting)
        elif names:
            name = names[0]
        try:
            yield name
        finally:
            if before is None:
                os.environ.pop(VISIBLE, None)
            else:
                os.environ[VISIBLE] = before


def _take(names: list[str], allocation: str, held: contextlib.ExitStack, waiting: Callable[[list[str]], None]) -> str:
    """Lock the first free device; its file is closed with ``held``."""
    told = False
    while True:
        for name in names:
            stream = (folder() / f"{allocation}-{name}.lock".replace("/", "_")).open("w")
            if take_lock(stream):
                held.enter_context(stream)
                return name
            stream.close()
        if not told:
            waiting(names)
            told = True
        time.sleep(POLL)
