"""Tables as Parquet files, for people and for later stages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from amdiff.files import atomic_file


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a table, or some of its columns.

    ``pyarrow.parquet.read_table`` would do the same, but it imports ``pyarrow.dataset``, which takes as long as some
    stages.
    """
    with pq.ParquetFile(path) as file:
        return file.read(columns)


def write_parquet(path: Path, table: pa.Table | Mapping[str, Any]) -> None:
    """Write a table atomically. It is a pyarrow table, or its columns by name."""
    with atomic_file(path) as temporary:
        pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), temporary, compression="zstd")
