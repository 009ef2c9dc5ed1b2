"""Saves finished pieces of a long computation in the artifact's scratch folder, so that a later run can resume.

A damaged piece is never used: it is removed and computed again. Pieces are zip archives, which hold a CRC-32 of each
member. All members are checked before any is used, since numpy and torch read only as much as the header of an array
says, and would miss some damage. Too little memory and a disk that cannot be read raise an error: the piece stays.
"""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path

import numpy as np

from amdiff.files import atomic_file

from .console import say

_COUNT = "__arrays__"
"""Name of an entry with the number of arrays in a file. It shows whether an array is missing."""


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays to an .npz file, atomically."""
    with atomic_file(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **{_COUNT: np.array(len(arrays))}, **arrays)  # type: ignore[arg-type]


def restore_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """Read what ``save_arrays`` wrote. None if there is no file, or if it is damaged.

    A damaged file is reported and removed. Raises ``OSError`` if the file cannot be read.
    """
    if not whole_archive(path):
        return None
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    if int(arrays.pop(_COUNT, np.array(-1))) != len(arrays):
        discard(path, "arrays are missing")
        return None
    return arrays


def whole_archive(path: Path) -> bool:
    """Whether a zip archive, as torch and numpy write them, exists and is undamaged.

    A damaged archive is reported and removed. Raises ``OSError`` if the file cannot be read.
    """
    if not path.exists():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.testzip()
    except MemoryError:
        raise
    except Exception as error:  # zipfile, zlib and struct raise their own types; a wrong offset gives EINVAL
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        discard(path, error)
        return False
    if member is not None:
        discard(path, f"wrong checksum of {member}")
    return member is None


def discard(path: Path, reason: object) -> None:
    """Report a damaged piece and remove it. It is then computed again."""
    say(f"{path} is damaged, it is left out and computed again ({reason})")
    path.unlink(missing_ok=True)
