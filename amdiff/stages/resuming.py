"""What is finished of a long computation, in the artifact's scratch folder: a later run goes on behind it.

A damaged piece is never taken for whole: zip archives carry a CRC-32 of each member, which is checked
when it is read, and what fails is computed anew.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from amdiff.files import atomic_file

from .context import say


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays as an .npz file, atomically."""
    with atomic_file(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def restore_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """What ``save_arrays`` wrote; None where there is no file, or a damaged one, which is said."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except Exception as error:  # zip and numpy each have their own
        say_damaged(path, error)
        return None


def whole_archive(path: Path) -> bool:
    """Whether a zip archive, as torch.save writes it, is there and whole; a damaged one is said."""
    if not path.exists():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.testzip()
    except Exception as error:  # zipfile has several
        say_damaged(path, error)
        return False
    if member is not None:
        say_damaged(path, f"checksum of {member}")
    return member is None


def say_damaged(path: Path, reason: object) -> None:
    """That a piece is computed anew, and why."""
    say(f"{path} is damaged, it is left out ({reason})")
