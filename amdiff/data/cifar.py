"""CIFAR10 (Krizhevsky 2009) from its binary or its Python archive.

The Python batches are pickles. They are read only if their checksums are the official ones, and even then only numpy
arrays are made from them.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from amdiff.config import Cifar10Dataset
from amdiff.errors import DataError

from .images import RAW, ImageSet

BINARY, PYTHON = "cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"
ARCHIVES = {BINARY: "c32a1d4ab5d03f1284b67883e8d87530", PYTHON: "c58f30108f718f92721af3b95e74349a"}
"""MD5 of the archives, as published on the web page of CIFAR10."""

BATCHES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""MD5 of the files in the Python archive, the test split last.

The files in the binary archive have the same names with the suffix '.bin'.
"""

RECORD = 1 + 3 * 32 * 32
"""Bytes of an image in the binary format: its label, then its red, green and blue planes."""


def cifar10(spec: Cifar10Dataset) -> ImageSet:
    """CIFAR10: 50,000 training and 10,000 test images in colour, 32x32 pixels.

    Raises ``DataError`` if the files are damaged, missing, or cannot be downloaded.
    """
    folder = spec.folder or RAW
    parts = _batches(folder, download=spec.folder is None)
    images, labels = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    return ImageSet(images, "CIFAR10 (Krizhevsky 2009)", test_count=len(parts[-1][0]), labels=labels.astype(np.int64))


def _batches(folder: Path, download: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """(images, labels) of each batch, from the extracted folder if it is there, else from an archive."""
    extracted = folder if (folder / "data_batch_1").is_file() else folder / "cifar-10-batches-py"
    if (extracted / "data_batch_1").is_file():
        return [_unpickled(_checked(extracted / name, md5), str(extracted / name)) for name, md5 in BATCHES.items()]
    found = [folder / name for name in (BINARY, PYTHON) if (folder / name).is_file()]
    archive = found[0] if found else _downloaded(folder, download)
    content = io.BytesIO(_checked(archive, ARCHIVES[archive.name]))
    try:
        with tarfile.open(fileobj=content, mode="r:gz") as members:  # read in memory: nothing is extracted
            known = [m for m in members if m.isfile() and Path(m.name).stem in BATCHES]
            files = {Path(m.name).name: f.read() for m in known if (f := members.extractfile(m))}
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{archive}: cannot be read as an archive ({error})") from None
    suffix, read = (".bin", _records) if archive.name == BINARY else ("", _unpickled)
    missing = [name + suffix for name in BATCHES if name + suffix not in files]
    if missing:
        raise DataError(f"{archive}: lacks {', '.join(missing)}")
    return [read(files[name + suffix], f"{archive}: {name}{suffix}") for name in BATCHES]


def _downloaded(folder: Path, download: bool) -> Path:
    problem = f"{folder} holds neither {BINARY} nor {PYTHON} nor the folder cifar-10-batches-py"
    if download:
        from torchvision.datasets.utils import download_url

        try:
            download_url(f"https://www.cs.toronto.edu/~kriz/{BINARY}", str(folder), f"{BINARY}.part", ARCHIVES[BINARY])
            (folder / f"{BINARY}.part").replace(folder / BINARY)
        except (OSError, RuntimeError) as error:
            problem = f"CIFAR10 is not here and cannot be downloaded ({error})"
        else:
            return folder / BINARY
    raise DataError(
        f"{problem}. Put {BINARY} of https://www.cs.toronto.edu/~kriz/cifar.html into a folder, and name it by the "
        "dataset's 'folder'"
    )


def _checked(path: Path, md5: str) -> bytes:
    if not path.is_file():
        raise DataError(f"{path} is missing; the folder needs {', '.join(BATCHES)}")
    content = path.read_bytes()
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise DataError(f"{path} is not CIFAR10's, or is damaged (its MD5 is not the official {md5})")
    return content


def _records(content: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    if not content or len(content) % RECORD:
        raise DataError(f"{name} is {len(content)} bytes long, not a multiple of {RECORD} (an image with its label)")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


class _ArraysOnly(pickle.Unpickler):
    """Unpickles numpy arrays, and refuses every other class or function that a pickle names."""

    _KNOWN = frozenset({
        *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    })  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which CIFAR10 does not need")
        return super().find_class(module.replace("numpy.core.", "numpy._core."), name)


def _unpickled(content: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        images, labels = np.asarray(batch[b"data"]), np.asarray(batch[b"labels"])
        return images.astype(np.uint8, casting="safe").reshape(-1, 3, 32, 32), labels
    except Exception as error:  # pickle and numpy each raise errors of their own
        raise DataError(f"{name}: is no batch of CIFAR10 ({error})") from None
