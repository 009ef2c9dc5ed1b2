"""Reads MNIST (LeCun et al. 1998) and FASHION-MNIST (Xiao et al. 2017).

Both consist of four IDX files, with the same names.
"""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amdiff.config import FashionMnistDataset, MnistDataset
from amdiff.errors import DataError

from .images import RAW, ImageSet


@dataclass(frozen=True)
class Family:
    """One of the two datasets."""

    name: str
    """Its name in messages."""
    source: str
    """Its name and citation in the records of a dataset."""
    sha256: Mapping[str, str]
    """SHA-256 of each of the four files, unpacked. They are checked, since other datasets use the same names."""
    package: Path | None
    """Folder where a Debian package puts the files, if there is such a package."""
    torchvision: str
    """Name of torchvision's class that downloads the files."""
    elsewhere: str
    """What a user can do if the files cannot be downloaded."""


MNIST = Family(
    "MNIST",
    "MNIST (LeCun, Cortes, Burges 1998)",
    {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    None,
    "MNIST",
    "Set the dataset's 'folder' to one with the four *-ubyte.gz files of http://yann.lecun.com/exdb/mnist",
)
FASHION_MNIST = Family(
    "FASHION-MNIST",
    "FASHION-MNIST (Xiao, Rasul, Vollgraf 2017)",
    {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    Path("/usr/share/datasets/fashion-mnist"),
    "FashionMNIST",
    "Either `apt-get install dataset-fashion-mnist`, or set the dataset's 'folder' to one with the four *-ubyte.gz "
    "files of https://github.com/zalandoresearch/fashion-mnist",
)


def mnist(spec: MnistDataset) -> ImageSet:
    """MNIST: 60,000 training and 10,000 test images of digits, 28x28 pixels.

    Raises ``DataError`` if a file is damaged, missing, or cannot be downloaded.
    """
    return _read(MNIST, spec.folder)


def fashion_mnist(spec: FashionMnistDataset) -> ImageSet:
    """FASHION-MNIST: 60,000 training and 10,000 test images of clothes, 28x28 pixels.

    Raises ``DataError`` if a file is damaged, missing, or cannot be downloaded.
    """
    return _read(FASHION_MNIST, spec.folder)


def _read(family: Family, folder: Path | None) -> ImageSet:
    folder = folder or _default_folder(family)
    images = [read_idx(_idx_file(family, folder, f"{part}-images-idx3-ubyte")) for part in ("train", "t10k")]
    labels = [read_idx(_idx_file(family, folder, f"{part}-labels-idx1-ubyte")) for part in ("train", "t10k")]
    for name, expected in family.sha256.items():
        path = _idx_file(family, folder, name)
        if hashlib.sha256(unpacked(path)).hexdigest() != expected:
            raise DataError(
                f"{path} is not {family.name}'s (its SHA-256 differs); to use other data, save them as an array, "
                "and read it as a dataset of kind 'arrays'"
            )
    for group, (pictures, names) in enumerate(zip(images, labels, strict=True)):
        if len(pictures) != len(names):
            raise DataError(f"{folder}: part {group} has {len(pictures)} images but {len(names)} labels")
    return ImageSet(
        np.concatenate(images)[:, None],
        family.source,
        test_count=len(images[1]),
        labels=np.concatenate(labels).astype(np.int64),
    )


def _default_folder(family: Family) -> Path:
    """The folder of the Debian package if it is installed, else the folder of downloads, with the files downloaded."""
    if family.package is not None and family.package.is_dir():
        return family.package
    import torchvision.datasets

    try:
        getattr(torchvision.datasets, family.torchvision)(str(RAW), download=True)  # checks the MD5 of each archive
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{family.name} is not here and cannot be downloaded ({' '.join(str(error).split())}). {family.elsewhere}"
        ) from None
    return RAW / family.torchvision / "raw"


def _idx_file(family: Family, folder: Path, stem: str) -> Path:
    for name in (f"{stem}.gz", stem):
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder / stem}.gz is missing; the folder needs the four *-ubyte.gz files of {family.name}")


def unpacked(path: Path) -> bytes:
    """Content of a file, unpacked if its name ends in .gz."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file, gzipped or not. Raises ``DataError`` if the file is cut short or is not an IDX file."""
    from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

    try:
        content = unpacked(path)
        with tempfile.NamedTemporaryFile(suffix=path.stem) as plain:
            plain.write(content)
            plain.flush()
            return read_sn3_pascalvincent_tensor(plain.name).numpy()
    except Exception as error:  # gzip, zlib and the reader each raise errors of their own
        raise DataError(f"{path} is no whole IDX file ({error or 'its length does not fit its header'})") from None
