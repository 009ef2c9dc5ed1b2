"""Datasets that come with a library or a package: digits, photos, FASHION-MNIST, and the circle."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from pathlib import Path

import numpy as np

from amdiff.config import CircleDataset, DigitsDataset, FashionMnistDataset, PhotosDataset

from .images import DataError, ImageSet, to_uint8

DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
RAW = Path("data/raw")


def digits(spec: DigitsDataset) -> ImageSet:
    """scikit-learn's digits; their values 0..16 are mapped to 0..255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = to_uint8(bunch.images, (0, 16))[:, None]
    return ImageSet(images, "scikit-learn load_digits (UCI optical recognition)", labels=bunch.target.astype(np.int64))


def photos(spec: PhotosDataset) -> ImageSet:
    """Non-overlapping tiles of scikit-learn's two photographs, row by row; a rest at an edge is left out."""
    from sklearn.datasets import load_sample_images

    tiles = []
    for photo in load_sample_images().images:
        rows, columns = (side // spec.tile for side in photo.shape[:2])
        cut = photo[: rows * spec.tile, : columns * spec.tile]
        grid = cut.reshape(rows, spec.tile, columns, spec.tile, 3).transpose(0, 2, 4, 1, 3)
        tiles.append(grid.reshape(-1, 3, spec.tile, spec.tile))
    return ImageSet(np.concatenate(tiles), f"scikit-learn load_sample_images, {spec.tile}x{spec.tile} tiles")


def circle(spec: CircleDataset) -> np.ndarray:
    """Points on the unit circle, float32 (N, 2), angles uniform (section 4.1)."""
    angles = np.random.RandomState(spec.seed).uniform(0, 2 * np.pi, spec.count)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


# -- FASHION-MNIST ----------------------------------------------------------------------------


FASHION_CONTENT = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""SHA-256 of the four files, unpacked: other datasets use the same names."""


def fashion_mnist(spec: FashionMnistDataset) -> ImageSet:
    """60,000 training and 10,000 test images from the four IDX files."""
    folder = _fashion_folder(spec)
    images = [read_idx(_idx_file(folder, f"{part}-images-idx3-ubyte")) for part in ("train", "t10k")]
    labels = [read_idx(_idx_file(folder, f"{part}-labels-idx1-ubyte")) for part in ("train", "t10k")]
    for name, expected in FASHION_CONTENT.items():
        if hashlib.sha256(unpacked(_idx_file(folder, name))).hexdigest() != expected:
            raise DataError(
                f"{_idx_file(folder, name)} is not FASHION-MNIST's (its SHA-256 differs); other data in this format "
                "can be read by kind 'arrays'"
            )
    for group, (pictures, names) in enumerate(zip(images, labels, strict=True)):
        if len(pictures) != len(names):
            raise DataError(f"{folder}: part {group} has {len(pictures)} images but {len(names)} labels")
    return ImageSet(
        np.concatenate(images)[:, None],
        "FASHION-MNIST (Xiao, Rasul, Vollgraf 2017)",
        test_count=len(images[1]),
        labels=np.concatenate(labels).astype(np.int64),
    )


def _fashion_folder(spec: FashionMnistDataset) -> Path:
    if spec.folder is not None:
        return spec.folder
    if DEBIAN_FASHION.is_dir():
        return DEBIAN_FASHION
    from torchvision.datasets import FashionMNIST

    try:
        FashionMNIST(str(RAW), download=True)  # checks the MD5 of each archive
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"FASHION-MNIST is not here and cannot be downloaded ({error}). Either `apt-get install "
            "dataset-fashion-mnist`, or set the dataset's 'folder' to one with the four *-ubyte.gz files of "
            "https://github.com/zalandoresearch/fashion-mnist"
        ) from None
    return RAW / "FashionMNIST" / "raw"


def _idx_file(folder: Path, stem: str) -> Path:
    for name in (f"{stem}.gz", stem):
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder / stem}.gz is missing; the folder needs the four *-ubyte.gz files of FASHION-MNIST")


def unpacked(path: Path) -> bytes:
    """Content of a file, gzipped or not."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file, gzipped or not. Raises ``DataError`` for a truncated or foreign file."""
    from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

    try:
        content = unpacked(path)
        with tempfile.NamedTemporaryFile(suffix=path.stem) as plain:
            plain.write(content)
            plain.flush()
            return read_sn3_pascalvincent_tensor(plain.name).numpy()
    except (OSError, EOFError, AssertionError, RuntimeError, ValueError, IndexError, KeyError) as error:
        raise DataError(f"{path} is no whole IDX file ({error or 'its length does not fit its header'})") from None
