"""Datasets of one's own: folders of images, and arrays in files."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from amdiff.config import ArraysDataset, FolderDataset

from .images import BLOCK, Block, DataError, to_nchw, to_uint8, transform
from .pictures import decoded, opened

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}


def folder_files(path: Path) -> list[Path]:
    """Image files below a folder, by sorted relative path. Raises ``DataError`` where there are none."""
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; give the folder that holds the images")
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    if not files:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(f"{path} holds no image files (looked for {known})")
    return files


def folder_blocks(spec: FolderDataset) -> Iterator[Block]:
    """Every image below a folder, then the held-out ones.

    All must have one size, unless crop and resize bring them to one.
    """
    files, heldout = _folder_parts(spec)
    images = decoded(((str(path), path) for path in (*files, *heldout)), spec.channels, spec)
    for root, part in ((spec.path, files), (spec.heldout, heldout)):
        for start in range(0, len(part), BLOCK):
            block = part[start : start + BLOCK]
            names = np.array([path.relative_to(root or "").as_posix() for path in block])
            yield Block(np.stack(list(itertools.islice(images, len(block)))), part is heldout, names=names)


def _folder_parts(spec: FolderDataset) -> tuple[list[Path], list[Path]]:
    """Image files of the folder, and the held-out ones."""
    return folder_files(spec.path), [] if spec.heldout is None else folder_files(spec.heldout)


def peek_folder(spec: FolderDataset) -> tuple[int, int, tuple[int, ...]]:
    """Numbers of image files and of held-out ones, and the shape (C, H, W) of the first. Raises ``DataError``."""
    files, heldout = _folder_parts(spec)
    with opened(str(files[0]), files[0]) as picture:
        return len(files), len(heldout), (spec.channels, picture.height, picture.width)


def array_blocks(spec: ArraysDataset) -> Iterator[Block]:
    """An array of one's own from .npy, .npz or HDF5, then the held-out one. Raises ``DataError``."""
    shape = None
    for part, path in enumerate(_array_parts(spec)):
        with _open_array(path, spec.key) as array:
            for start in range(0, max(1, len(array)), BLOCK):
                values = to_uint8(to_nchw(np.asarray(array[start : start + BLOCK]), spec.layout), spec.range)
                images = transform(values, spec)
                if shape is not None and images.shape[1:] != shape:
                    raise DataError(f"holds images of {images.shape[1:]}, {spec.path} of {shape}")
                shape = images.shape[1:]
                yield Block(images, test=part > 0)


def _array_parts(spec: ArraysDataset) -> list[Path]:
    """The file, and the one with held-out images."""
    return [spec.path, *([] if spec.heldout is None else [spec.heldout])]


def peek_arrays(spec: ArraysDataset) -> tuple[int, int, tuple[int, ...]]:
    """Numbers of images and of held-out ones, and their shape (C, H, W). Raises ``DataError``."""
    counts, shape = [0, 0], ()
    for part, path in reversed(list(enumerate(_array_parts(spec)))):
        with _open_array(path, spec.key) as array:
            first = to_nchw(np.asarray(array[:1]), spec.layout)
            to_uint8(first, spec.range)  # its type and range are stated
            counts[part], shape = array.shape[0], tuple(first.shape[1:])
    return counts[0], counts[1], shape


def array_type(path: Path, key: str | None = None) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array in a file; ``key`` names it where there are several. Raises ``DataError``."""
    with _open_array(path, key) as array:
        return tuple(array.shape), array.dtype


@contextlib.contextmanager
def _open_array(path: Path, key: str | None) -> Iterator[Any]:
    """The array of a file, read when it is sliced; what is wrong with it is a ``DataError`` with its path."""
    try:
        if not path.is_file():
            raise DataError("there is no such file")
        if path.suffix == ".npy":
            yield np.load(path, mmap_mode="r", allow_pickle=False)
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                yield archive[_choose(list(archive), key)]
        else:
            with h5py.File(path, "r") as file:
                names: list[str] = []
                file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
                yield file[_choose(names, key)]
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # zip, zlib, HDF5 and numpy each have their own
        raise DataError(f"{path}: cannot be read as .npy, .npz or HDF5, or is truncated ({error})") from None


def _choose(names: list[str], key: str | None) -> str:
    if key is not None:
        if key not in names:
            raise DataError(f"no array {key!r}; there are: {', '.join(names) or 'none'}")
        return key
    if len(names) != 1:
        raise DataError(f"holds the arrays {', '.join(names) or '(none)'}; choose one by 'key' (--key of an audit)")
    return names[0]


def source_digest(spec: FolderDataset | ArraysDataset, known: dict[str, str]) -> str:
    """Digest of a source of one's own: of the names and contents of its files.

    ``known`` maps the path, size and time of a file to its SHA-256; it is read and filled, so that
    an unchanged source costs no reading. Raises ``DataError`` where the source is not there.
    """
    if isinstance(spec, FolderDataset):
        files, heldout = _folder_parts(spec)
        named = [(path.relative_to(spec.path).as_posix(), path) for path in files]
        named += [(f"../heldout/{path.relative_to(spec.heldout).as_posix()}", path) for path in heldout if spec.heldout]
        return digest_files(named, known)
    for path in _array_parts(spec):
        if not path.is_file():
            raise DataError(f"{path}: there is no such file")
    return digest_files(((path.suffix, path) for path in _array_parts(spec)), known)


def digest_files(files: Iterable[tuple[str, Path]], known: dict[str, str]) -> str:
    """Digest of names and contents of files; ``known`` as for ``source_digest``."""
    total = hashlib.sha256()
    for name, path in files:
        digest = bytes.fromhex(sha256_once(path, known))
        encoded = os.fsencode(name)  # names need not be UTF-8
        total.update(struct.pack("<I", len(encoded)) + encoded + digest)
    return total.hexdigest()[:16]


def sha256_once(path: Path, known: dict[str, str]) -> str:
    """SHA-256 of a file, read unless it is known; ``known`` as for ``source_digest``."""
    stat = path.stat()
    key = f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
    if key not in known:
        with path.open("rb") as stream:
            known[key] = hashlib.file_digest(stream, "sha256").hexdigest()
    return known[key]
