"""Tables for people and later stages, as Parquet files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from amdiff.files import atomic_file


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A table, or some of its columns.

    ``pyarrow.parquet.read_table`` does it by way of ``pyarrow.dataset``, whose import takes as long as some stages.
    """
    with pq.ParquetFile(path) as file:
        return file.read(columns)


def write_parquet(path: Path, table: pa.Table | Mapping[str, Any]) -> None:
    """Write a table, or columns by name, atomically."""
    with atomic_file(path) as temporary:
        pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), temporary, compression="zstd")
