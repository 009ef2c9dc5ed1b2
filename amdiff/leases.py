"""Leases on the GPUs of a machine, so that no two jobs compute on the same device unless the user allows it.

Snakemake counts GPUs, but does not assign a device to a job. So a job binds a socket whose name stands for one device,
lets CUDA see only that device, and keeps the socket until it ends. The name is one of Linux's abstract names: it can be
bound only once, needs no file, and is freed by the kernel even after kill -9. If no device is free, the job waits. Jobs
in one allocation of a scheduler share its devices in the same way. If there is only one device, they compute in turn.

With several jobs per device, each device has as many leases. A device gets a second job only while all have one.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping

from amdiff.errors import AmdiffError

DEVICES = "AMDIFF_GPUS"
"""Environment variable that names the devices to use, as '0,1'. In a scheduler's job it selects from those assigned."""

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Environment variable that names the devices that CUDA may use."""
SCHEDULERS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
"""Environment variables in which schedulers name a job. They assign its devices by ``CUDA_VISIBLE_DEVICES``."""

POLL = 0.5
"""Seconds to wait before looking again for a free device."""


def devices(environment: Mapping[str, str] = os.environ) -> list[str] | None:
    """Names of the devices that jobs share; None if they cannot be found out.

    They are the devices that ``CUDA_VISIBLE_DEVICES`` allows, or else all that the driver knows. ``AMDIFF_GPUS``
    replaces both, but in a scheduler's job it only selects among the assigned devices. Raises ``AmdiffError`` if it
    names none of these.
    """
    wanted = _names(environment[DEVICES]) if DEVICES in environment else None
    if wanted is not None and not (_allocation(environment) and VISIBLE in environment):
        return wanted
    there = _names(environment[VISIBLE]) if VISIBLE in environment else _driver()
    if wanted is None or there is None:
        return there
    both = [name for name in there if name in wanted]
    if wanted and there and not both:
        raise AmdiffError(
            f"{DEVICES} is {environment[DEVICES]!r}, but this job was assigned {', '.join(there)} by its scheduler "
            f"({VISIBLE}); unset {DEVICES} in this job"
        )
    return both


def _names(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip() not in ("", "-1")]


def _driver() -> list[str] | None:
    """Numbers of the devices that NVIDIA's driver lets this process use; None if ``nvidia-smi`` does not run."""
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return [str(i) for i, _ in enumerate(line for line in listing.splitlines() if line.startswith("GPU "))]


@functools.cache
def has_driver() -> bool:
    """Whether CUDA's driver is on this machine. This check is faster than importing PyTorch."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _allocation(environment: Mapping[str, str]) -> str:
    """The name that a scheduler gave this job; empty without a scheduler.

    It is part of a lease's name, since different devices may have the same name in two jobs.
    """
    return next((environment[variable] for variable in SCHEDULERS if variable in environment), "")


@contextlib.contextmanager
def gpu(
    wanted: bool, waiting: Callable[[list[str]], None] = lambda taken: None, *, together: int = 1
) -> Iterator[str | None]:
    """Hold a lease on one device, and let CUDA see only that device. Yields its name, or None if there is none.

    If ``wanted`` is False, CUDA sees no device. If the devices cannot be found out, CUDA sees all that it finds.
    ``waiting`` is called once, with the names of the devices, if all of them are taken. ``together`` is the number of
    jobs that may compute on one device. Default 1. It should be the same for all jobs of a machine.
    """
    before = os.environ.get(VISIBLE)
    names = devices() if wanted else []
    with contextlib.ExitStack() as held:
        name = _take(names * together, _allocation(os.environ), held, waiting) if names else None
        if names is not None:
            os.environ[VISIBLE] = name or ""
        try:
            yield name
        finally:
            if before is None:
                os.environ.pop(VISIBLE, None)
            else:
                os.environ[VISIBLE] = before


def _take(names: list[str], allocation: str, held: contextlib.ExitStack, waiting: Callable[[list[str]], None]) -> str:
    """Take a lease on the first free device, and return its name. Closing ``held`` releases the lease.

    A name that occurs several times has as many leases.
    """
    told = False
    places = [(name, names[:i].count(name)) for i, name in enumerate(names)]
    while True:
        for name, place in places:
            lease = take_lease(f"{os.getuid()} {allocation} {name}{f' {place}' if place else ''}")
            if lease is not None:
                held.enter_context(lease)
                return name
        if not told:
            waiting(list(dict.fromkeys(names)))
            told = True
        time.sleep(POLL)


def take_lease(name: str) -> socket.socket | None:
    """Take the lease of that name. Closing the socket releases it. None if another process holds the lease."""
    lease = socket.socket(socket.AF_UNIX)
    try:
        lease.bind(f"\0amdiff-{hashlib.sha256(name.encode()).hexdigest()[:32]}")  # such names are short
    except OSError as error:
        lease.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return lease
