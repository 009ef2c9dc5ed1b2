"""Reads LSUN-CHURCH (Yu et al. 2015): an LMDB database of compressed images whose smaller side has 256 pixels."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from amdiff.config import LsunChurchDataset
from amdiff.errors import DataError

from .extras import needs
from .images import RAW, ImageSet
from .pictures import decoded

NAME = "church_outdoor_train_lmdb"
SHA256 = "91128ae026840ac0c5982b4445ab5fc4e092d6847cca76793b2b1a0815c2e74a"
"""SHA-256 of the archive."""
URL = f"http://dl.yf.io/lsun/scenes/{NAME}.zip"


def lsun_church(spec: LsunChurchDataset) -> ImageSet:
    """The training images in the order of their keys, cropped and resized one by one.

    Raises ``DataError`` if the database is damaged or missing, cannot be downloaded, or does not hold ``spec.count``
    images.
    """
    path = database(spec)
    entries = ((f"{path}: {key}", io.BytesIO(value)) for key, value in _entries(path))
    images = np.stack([image for _, image in decoded(entries, 3, spec)])
    if len(images) != spec.count:
        raise DataError(
            f"{path} holds {len(images):,} images, not the {spec.count:,} of LSUN-CHURCH's training part; to use "
            f"them nevertheless, set 'count: {len(images)}'"
        )
    return ImageSet(images, "LSUN-CHURCH (Yu et al. 2015), church_outdoor_train")


def database(spec: LsunChurchDataset) -> Path:
    """Folder of the database: the one of the specification, else the folder of downloads.

    If the folder holds only the archive, it is unpacked. If the specification gives no folder, a missing archive is
    downloaded. Raises ``DataError`` if there is no database.
    """
    folder = spec.folder or RAW
    for path in (folder, folder / NAME):
        if (path / "data.mdb").is_file():
            return path
    archive = folder / f"{NAME}.zip"
    if not archive.is_file():
        _download(archive, allowed=spec.folder is None)
    return _unpacked(archive)


def _download(archive: Path, allowed: bool) -> None:
    from torchvision.datasets.utils import download_url

    problem = f"{archive.parent} holds neither {NAME}/data.mdb nor {archive.name}"
    if allowed:
        partial = archive.with_name(f"{archive.name}.part")
        try:
            download_url(URL, str(archive.parent), partial.name)
            partial.replace(archive)
        except (OSError, RuntimeError) as error:
            problem = f"LSUN-CHURCH is not here and cannot be downloaded ({error})"
        else:
            return
    raise DataError(f"{problem}. Put {URL} (2.3 GiB) into a folder, and name it by the dataset's 'folder'")


def _unpacked(archive: Path) -> Path:
    """Unpack the database beside its archive. Raises ``DataError`` unless the archive has the official checksum."""
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != SHA256:
        raise DataError(f"{archive} is not LSUN-CHURCH's, or is damaged (its SHA-256 is not the official {SHA256})")
    target = archive.parent / NAME
    try:
        with zipfile.ZipFile(archive) as members:
            target.mkdir(exist_ok=True)
            partial = target / "data.mdb.part"
            with members.open(f"{NAME}/data.mdb") as source, partial.open("wb") as out:
                while piece := source.read(2**24):
                    out.write(piece)
            partial.replace(target / "data.mdb")
    except (zipfile.BadZipFile, KeyError, EOFError, OSError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error})") from None
    return target


def _entries(path: Path) -> Iterator[tuple[str, bytes]]:
    needs("lmdb", "the reader of LSUN databases", "lmdb")
    import lmdb

    try:
        with lmdb.open(str(path), readonly=True, lock=False, max_readers=1) as base, base.begin() as transaction:
            pages, size = base.info()["last_pgno"] + 1, base.stat()["psize"]
            if pages * size > (path / "data.mdb").stat().st_size:  # reading beyond its end would end in a bus error
                raise DataError(f"{path}/data.mdb is cut short; unpack or copy it again")
            for key, value in transaction.cursor():
                yield bytes(key).decode("ascii", "replace"), bytes(value)
    except lmdb.Error as error:
        raise DataError(f"{path} cannot be read as an LMDB database ({error})") from None
