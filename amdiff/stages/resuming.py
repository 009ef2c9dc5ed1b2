"""What is finished of a long computation, in the artifact's scratch folder: a later run goes on behind it.

A damaged piece is never taken for whole. Zip archives carry a CRC-32 of each member, and all are checked before any is
used: numpy and torch read no further than an array's header asks, so they would not notice. What fails is removed
and computed anew; a machine that is short of memory, or a disk that cannot be read, is no damage.
"""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path

import numpy as np

from amdiff.files import atomic_file

from .console import say

_COUNT = "__arrays__"
"""Number of arrays in a file, so that none can be missing."""


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays as an .npz file, atomically."""
    with atomic_file(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **{_COUNT: np.array(len(arrays))}, **arrays)  # type: ignore[arg-type]


def restore_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """What ``save_arrays`` wrote; None where there is no file, or a damaged one, which is said and removed."""
    if not whole_archive(path):
        return None
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    if int(arrays.pop(_COUNT, np.array(-1))) != len(arrays):
        discard(path, "arrays are missing")
        return None
    return arrays


def whole_archive(path: Path) -> bool:
    """Whether a zip archive, as torch and numpy write them, is there and whole; a damaged one is said and removed.

    Raises ``OSError`` where it cannot be read.
    """
    if not path.exists():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.testzip()
    except MemoryError:
        raise
    except Exception as error:  # zipfile, zlib and struct each have their own; a wrong offset is EINVAL
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        discard(path, error)
        return False
    if member is not None:
        discard(path, f"checksum of {member}")
    return member is None


def discard(path: Path, reason: object) -> None:
    """Remove a damaged piece, which is computed anew, and say so."""
    say(f"{path} is damaged, it is left out ({reason})")
    path.unlink(missing_ok=True)
