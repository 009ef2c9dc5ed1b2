"""Reads the order of training images that a user gives, as row numbers of the dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Int64

from amdiff.errors import DataError


def read_order(path: Path) -> Int64[np.ndarray, " rows"]:
    """Read row numbers from an .npy file of integers, or from text with one number on each line.

    Raises ``DataError`` if the file is missing, cannot be read, or holds something else.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        rows = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path, dtype=np.int64, ndmin=1)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: expected row numbers, as an .npy file or one on each line; {error}") from None
    if rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer):
        raise DataError(
            f"{path}: expected a list of integers, the row numbers; got {rows.dtype} numbers of shape {rows.shape}"
        )
    return rows.astype(np.int64)
