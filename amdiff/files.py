"""Atomic writes, checksums, and locks between processes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from amdiff.errors import ArtifactError


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to. On success, the file replaces ``path`` and is synced to disk.

    Whatever goes wrong, ``path`` is either untouched or whole. The temporary file is removed, except after kill -9; its
    name ends in .tmp. If a later file survives a power loss, so does this one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Sync a folder to disk, so that the names in it survive a power loss, if its file system can do that."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(folder)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file atomically. Raises ``OSError`` if the disk is full.

    Libraries that write files themselves (HDF5, torch) may crash on a full disk. They write to memory instead, and the
    result is written here.
    """
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Write plain data as readable JSON, atomically."""
    write_bytes(path, (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises ``ArtifactError`` if it is missing or cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; run snakemake to make it, or dvc pull to fetch it") from None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); delete its folder and run snakemake again") from None


def none_from_the_future(paths: Iterable[Path]) -> None:
    """Set the time of files that come from the future to the present time.

    After the clock was set back, older files seem newer than those that are made from them now, and Snakemake would
    throw the new ones away.
    """
    now = time.time()
    for path in paths:
        with contextlib.suppress(OSError):  # the file is gone, or belongs to another user
            if path.stat().st_mtime > now:
                os.utime(path, (now, now))


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold an exclusive kernel lock on ``path``. The kernel frees it if the process ends for any reason.

    ``waiting`` is called once if another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            waiting()
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
