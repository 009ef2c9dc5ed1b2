"""Reads files that hold many compressed pictures: .zip, .tar (WebDataset), .parquet, .arrow (the hub's datasets), HDF5.

Members are read into memory one by one. Nothing is unpacked to disk, and no path inside a container is followed.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from amdiff.errors import DataError

from .readable import chosen, readable

CONTAINERS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".parquet", ".arrow", ".h5", ".hdf5")
"""Suffixes of containers. An HDF5 file is a container only if its arrays hold encoded pictures."""

KEYED = (".parquet", ".arrow", ".h5", ".hdf5")
"""Suffixes of the containers that hold columns or arrays by name."""

Packed = tuple[str, BytesIO]
"""A picture: its name within the container, and its content."""

Wanted = Callable[[str], str | None]
"""Tells why a member of the given name is not a picture; None if it is one."""


def container_suffix(path: Path) -> str | None:
    """The suffix of a container of pictures; None if the file is not a container."""
    name = path.name.lower()
    return next((suffix for suffix in sorted(CONTAINERS, key=len, reverse=True) if name.endswith(suffix)), None)


def count_members(path: Path, key: str | None, wanted: Wanted) -> int:
    """Number of pictures in a container. Raises ``DataError`` if it cannot be read."""
    with readable(path):
        match container_suffix(path):
            case ".zip":
                with zipfile.ZipFile(path) as archive:
                    return sum(not info.is_dir() and wanted(info.filename) is None for info in archive.infolist())
            case ".parquet" | ".arrow":
                return _Rows(path).count
            case ".h5" | ".hdf5":
                with _encoded(path, key) as array:
                    return len(array)
            case _:
                with tarfile.open(path) as archive:
                    return sum(not info.isdir() and wanted(info.name) is None for info in archive)


def members(path: Path, key: str | None, passed: Counter[str], wanted: Wanted) -> Iterator[Packed]:
    """The pictures of a container, one after the other.

    Pictures of a .zip come sorted by name, those of other containers in the order of the file. ``key`` names a column
    of a .parquet or .arrow, or an array of HDF5. ``passed`` counts the members that are not pictures, by reason. Raises
    ``DataError`` if the container cannot be read.
    """
    with readable(path):
        match container_suffix(path):
            case ".zip":
                yield from _zipped(path, passed, wanted)
            case ".parquet" | ".arrow":
                yield from _rows(path, key)
            case ".h5" | ".hdf5":
                with _encoded(path, key) as array:
                    for row in range(len(array)):
                        yield str(row), BytesIO(bytes(array[row]))
            case _:
                yield from _tarred(path, passed, wanted)


def _tarred(path: Path, passed: Counter[str], wanted: Wanted) -> Iterator[Packed]:
    with tarfile.open(path) as archive:
        for info in archive:
            if info.isdir() or _counted(info.name, passed, wanted):
                continue
            try:
                stream = archive.extractfile(info)  # for a link, the file that it leads to
            except KeyError:
                stream = None
            if stream is None:
                passed["broken links" if info.islnk() or info.issym() else "no files"] += 1
                continue
            yield info.name, BytesIO(stream.read())
        _check_end(archive)


def _check_end(archive: tarfile.TarFile) -> None:
    """Raise ``DataError`` unless only zeros follow the last member.

    Python's reader does not tell a cut or joined archive from a whole one: it stops silently at the first block that
    it cannot read.
    """
    stream: Any = archive.fileobj
    stream.seek(archive.offset)
    rest = stream.read(tarfile.BLOCKSIZE)
    if len(rest) < tarfile.BLOCKSIZE or any(rest):
        raise DataError("is not whole: after its last member comes no end mark; copy or pack it again")
    while rest := stream.read(2**20):
        if any(rest):
            raise DataError("is several archives, one after the other; unpack them, and give the folder")


def _zipped(path: Path, passed: Counter[str], wanted: Wanted) -> Iterator[Packed]:
    with zipfile.ZipFile(path) as archive:
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            if info.is_dir() or _counted(info.filename, passed, wanted):
                continue
            if info.flag_bits & 1:
                raise DataError(f"{path}: is encrypted; unpack it, and give the folder")
            yield info.filename, BytesIO(archive.read(info))


def _counted(name: str, passed: Counter[str], wanted: Wanted) -> bool:
    """Whether a member is not a picture. Such a member is counted in ``passed``."""
    if (reason := wanted(name)) is not None:
        passed[reason] += 1
    return reason is not None


def _rows(path: Path, key: str | None) -> Iterator[Packed]:
    """The pictures of a column that holds bytes, or records {bytes, path} as in the hub's datasets."""
    import pyarrow as pa

    file = _Rows(path)

    def is_bytes(kind: Any) -> bool:
        return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)

    def holds_pictures(kind: Any) -> bool:
        return is_bytes(kind) or (
            pa.types.is_struct(kind)
            and any(kind.field(i).name == "bytes" and is_bytes(kind.field(i).type) for i in range(kind.num_fields))
        )

    columns = [field.name for field in file.schema if holds_pictures(field.type)]
    column = chosen(columns, key, "column", " of pictures", [field.name for field in file.schema])
    row = 0
    for batch in file.batches(column):
        for value in batch.column(column).to_pylist():
            content = value.get("bytes") if isinstance(value, dict) else value
            if content is None:
                raise DataError(
                    f"{path}: row {row} of {column!r} holds no picture"
                    + (f", only the path {value['path']!r}; give the folder with the files" if value else "")
                )
            yield str(row), BytesIO(content)
            row += 1


_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
"""End mark of Arrow's stream format. Without this check, a stream that was cut between two batches would seem whole."""


class _Rows:
    """The rows of a .parquet file, or of an .arrow file that the hub's library wrote."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if path.suffix.lower() == ".parquet":
            self._parquet = pq.ParquetFile(path)
            self.schema, self.count = self._parquet.schema_arrow, int(self._parquet.metadata.num_rows)
            return
        self._parquet = None
        with path.open("rb") as file:
            head, _ = file.read(6), file.seek(-8, 2)
            if head != b"ARROW1" and file.read() != _END_OF_STREAM:
                raise DataError("is not whole: it has no end mark; copy or save it again")
        content = pa.memory_map(str(path))
        try:
            self._table = pa.ipc.open_stream(content).read_all()  # maps the file into memory without reading it
        except pa.ArrowInvalid:
            self._table = pa.ipc.open_file(content).read_all()
        self.schema, self.count = self._table.schema, self._table.num_rows

    def batches(self, column: str) -> Iterator[Any]:
        """The rows of a column, batch by batch."""
        if self._parquet is not None:
            return iter(self._parquet.iter_batches(batch_size=256, columns=[column]))
        return iter(self._table.select([column]).to_batches(max_chunksize=256))


@contextmanager
def _encoded(path: Path, key: str | None) -> Iterator[Any]:
    """Open the array of an HDF5 file whose rows are encoded pictures."""
    import h5py

    with h5py.File(path, "r") as file:
        yield file[chosen(encoded_arrays(file), key, "array", " of encoded pictures")]


def encoded_arrays(file: Any) -> list[str]:
    """Names of the arrays of an HDF5 file whose rows are byte strings of varying length, or opaque values."""
    import h5py

    names: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 1 and not h5py.check_string_dtype(item.dtype):
            rows = h5py.check_vlen_dtype(item.dtype)
            if rows in ("uint8", "int8") or (item.dtype.kind == "V" and item.dtype.names is None):
                names.append(name)

    file.visititems(visit)
    return names


def packed(path: Path, key: str | None) -> bool:
    """Whether a file is a container of pictures.

    An HDF5 file is one if its array ``key``, or any of its arrays without a ``key``, holds encoded pictures. Raises
    ``DataError`` if an HDF5 file cannot be read.
    """
    import h5py

    suffix = container_suffix(path)
    if suffix not in (".h5", ".hdf5"):
        return suffix is not None
    with readable(path), h5py.File(path, "r") as file:
        found = encoded_arrays(file)
        return key in found if key is not None else len(found) > 0
