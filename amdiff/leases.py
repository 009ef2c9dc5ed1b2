"""Leases on the GPUs of a node: each job computes on a device of its own.

Snakemake counts GPUs and pins none. So a job binds a socket whose name stands for one device, shows CUDA that device
only, and keeps the socket as long as it lives. Such a name (Linux's abstract ones) can be bound once, needs no file,
and is freed by the kernel even after kill -9. Where no device is free a job waits. A scheduler's devices are shared in
the same way among the jobs of one allocation; with one device there, one job computes at a time.
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
"""Environment variable that names the devices to use, as '0,1'; of those that a scheduler assigned it keeps some."""

VISIBLE = "CUDA_VISIBLE_DEVICES"
SCHEDULERS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
"""Environment variables in which schedulers name a job; they tell its devices by ``CUDA_VISIBLE_DEVICES``."""

POLL = 0.5
"""Seconds between two looks for a free device."""


def devices(environment: Mapping[str, str] = os.environ) -> list[str] | None:
    """Names of the devices that jobs share; None where nothing tells.

    Those that CUDA is allowed to see, else all that the driver knows. ``AMDIFF_GPUS`` replaces both; but inside an
    allocation of a scheduler it chooses among the assigned ones.
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
            f"({VISIBLE}); unset {DEVICES} there"
        )
    return both


def _names(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip() not in ("", "-1")]


def _driver() -> list[str] | None:
    """Numbers of the devices that NVIDIA's driver lets this process use; None without its tool."""
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return [str(i) for i, _ in enumerate(line for line in listing.splitlines() if line.startswith("GPU "))]


@functools.cache
def has_driver() -> bool:
    """Whether CUDA's driver is on this machine, which costs less to see than to import PyTorch."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _allocation(environment: Mapping[str, str]) -> str:
    """The scheduler's name of this job; empty outside one. Devices of two jobs may have the same names."""
    return next((environment[variable] for variable in SCHEDULERS if variable in environment), "")


@contextlib.contextmanager
def gpu(wanted: bool, waiting: Callable[[list[str]], None] = lambda taken: None) -> Iterator[str | None]:
    """Hold one device, and let CUDA see it alone: its name, or None where there is none.

    Without ``wanted`` CUDA sees no device; where nothing tells which there are, it sees what it finds. ``waiting``
    hears once that all devices are taken.
    """
    before = os.environ.get(VISIBLE)
    names = devices() if wanted else []
    with contextlib.ExitStack() as held:
        name = _take(names, _allocation(os.environ), held, waiting) if names else None
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
    """Bind the first device that is free; it is released with ``held``."""
    told = False
    while True:
        for name in names:
            lease = take_lease(f"{os.getuid()} {allocation} {name}")
            if lease is not None:
                held.enter_context(lease)
                return name
        if not told:
            waiting(names)
            told = True
        time.sleep(POLL)


def take_lease(name: str) -> socket.socket | None:
    """What holds the lease of that name until it is closed; None where another one holds it."""
    lease = socket.socket(socket.AF_UNIX)
    try:
        lease.bind(f"\0amdiff-{hashlib.sha256(name.encode()).hexdigest()[:32]}")  # such names are short
    except OSError as error:
        lease.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return lease
