"""Digests of users' files. A dataset or a model is identified by the names and contents of its files."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from amdiff.config import ArraysDataset, FolderDataset
from amdiff.errors import DataError

from .arrays import array_sides
from .folders import folder_parts


def source_digest(spec: FolderDataset | ArraysDataset, known: dict[str, str]) -> str:
    """Digest of a user's dataset, from the names and contents of its files.

    ``known`` is a cache that maps the path, size and time of a file to its SHA-256. Digests found in it are used, and
    new ones are added, so that unchanged files are not read again. Raises ``DataError`` if a file is missing.
    """
    if isinstance(spec, FolderDataset):
        (_, pictures), *heldout = folder_parts(spec)
        files = pictures.names()
        for _, listing in heldout:
            files += [(f"../heldout/{name}", path) for name, path in listing.names()]
        return digest_files(files, known)
    sides = array_sides(spec)
    for side in sides:
        if not side.path.is_file():
            raise DataError(f"{side.path}: there is no such file")
    return digest_files(((side.path.suffix, side.path) for side in sides), known)


def digest_files(files: Iterable[tuple[str, Path]], known: dict[str, str]) -> str:
    """Digest of the names and contents of files. ``known`` is the cache of ``source_digest``."""
    total = hashlib.sha256()
    for name, path in files:
        digest = bytes.fromhex(sha256_once(path, known))
        encoded = os.fsencode(name)  # names need not be UTF-8
        total.update(struct.pack("<I", len(encoded)) + encoded + digest)
    return total.hexdigest()[:16]


def sha256_once(path: Path, known: dict[str, str]) -> str:
    """SHA-256 of a file, taken from ``known`` if possible. ``known`` is the cache of ``source_digest``."""
    stat = path.stat()
    key = f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
    if key not in known:
        with path.open("rb") as stream:
            known[key] = hashlib.file_digest(stream, "sha256").hexdigest()
    return known[key]
