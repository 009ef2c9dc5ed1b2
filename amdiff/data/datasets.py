"""The datasets: each a function from its specification to uint8 images, and one line in ``DATASETS``.

Only this module reads sources. ``peek`` says how many images of which shape there will be
without reading them all, so that a configuration can be checked before any work starts; the
count is an upper bound, since duplicates are dropped later.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image, UnidentifiedImageError

from amdiff.config import (
    ArraysDataset,
    CircleDataset,
    DatasetSpec,
    DigitsDataset,
    FashionMnistDataset,
    FolderDataset,
    ImageDataset,
    PhotosDataset,
)

from .images import DataError, ImageSet, count_duplicates, deduplicate, to_nchw, to_uint8, transform

DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
RAW = Path("data/raw")
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}


def load(spec: ImageDataset) -> ImageSet:
    """Read, crop, resize and, unless told otherwise, deduplicate a dataset. Raises ``DataError``."""
    data = DATASETS[spec.kind](spec)  # type: ignore[attr-defined]
    images = transform(data.images, spec)
    data = ImageSet(images, data.source, data.test_count, data.labels)
    if spec.deduplicate:
        return deduplicate(data)
    return ImageSet(images, data.source, data.test_count, data.labels, count_duplicates(images))


# -- built in ---------------------------------------------------------------------------------


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


def fashion_mnist(spec: FashionMnistDataset) -> ImageSet:
    """60,000 training and 10,000 test images from the four IDX files."""
    folder = _fashion_folder(spec)
    images = [read_idx(_idx_file(folder, f"{part}-images-idx3-ubyte")) for part in ("train", "t10k")]
    labels = [read_idx(_idx_file(folder, f"{part}-labels-idx1-ubyte")) for part in ("train", "t10k")]
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


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file, gzipped or not. Raises ``DataError`` for a truncated or foreign file."""
    from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        with tempfile.NamedTemporaryFile(suffix=path.stem) as plain:
            plain.write(content)
            plain.flush()
            return read_sn3_pascalvincent_tensor(plain.name).numpy()
    except (OSError, EOFError, AssertionError, RuntimeError, ValueError, IndexError, KeyError) as error:
        raise DataError(f"{path} is no whole IDX file ({error or 'its length does not fit its header'})") from None


# -- one's own data ---------------------------------------------------------------------------


def folder_files(path: Path) -> list[Path]:
    """Image files below a folder, by sorted relative path. Raises ``DataError`` where there are none."""
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; give the folder that holds the images")
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    if not files:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(f"{path} holds no image files (looked for {known})")
    return files


def folder(spec: FolderDataset) -> ImageSet:
    """Every image below a folder. All must have one size, unless crop and resize bring them to one."""
    images: list[np.ndarray] = []
    mode = "L" if spec.channels == 1 else "RGB"
    files = folder_files(spec.path)
    for path in files:
        try:
            with Image.open(path) as picture:
                array = np.asarray(picture.convert(mode))
        except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
            raise DataError(f"{path} cannot be read as an image ({error}); remove or repair it") from None
        image = array.reshape(*array.shape[:2], spec.channels).transpose(2, 0, 1)
        if spec.resize is not None:
            image = transform(image[None], spec)[0]
        if images and image.shape != images[0].shape:
            raise DataError(
                f"{path} is {_size(image)}, but {files[0]} is {_size(images[0])}; "
                "set 'resize' (and 'crop: square') to bring all images to one size"
            )
        images.append(image)
    return ImageSet(np.stack(images), f"{len(images)} images of folder {spec.path.name}")


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]}x{image.shape[2]}"


def arrays(spec: ArraysDataset) -> ImageSet:
    """An array of one's own from .npy, .npz or HDF5."""
    try:
        array = _read_array(spec, slice(None))
        images = to_uint8(to_nchw(array, spec.layout), spec.range)
    except DataError as error:
        raise DataError(f"{spec.path}: {error}") from None
    return ImageSet(np.ascontiguousarray(images), f"array {spec.path.name}")


def _read_array(spec: ArraysDataset, rows: slice) -> np.ndarray:
    path = spec.path
    if not path.is_file():
        raise DataError("there is no such file")
    try:
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)[rows]
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return archive[_choose(list(archive), spec.key)][rows]
        with h5py.File(path, "r") as file:
            names: list[str] = []
            file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
            return np.asarray(file[_choose(names, spec.key)][rows])
    except DataError:
        raise
    except (OSError, ValueError, KeyError, EOFError, RuntimeError) as error:
        raise DataError(f"cannot be read as .npy, .npz or HDF5, or is truncated ({error})") from None


def _choose(names: list[str], key: str | None) -> str:
    if key is not None:
        if key not in names:
            raise DataError(f"no array {key!r}; there are: {', '.join(names) or 'none'}")
        return key
    if len(names) != 1:
        raise DataError(f"holds the arrays {', '.join(names) or '(none)'}; choose one by 'key'")
    return names[0]


DATASETS: dict[str, Callable[[Any], Any]] = {
    "digits": digits,
    "fashion-mnist": fashion_mnist,
    "photos": photos,
    "folder": folder,
    "arrays": arrays,
    "circle": circle,
}


# -- looking without reading ------------------------------------------------------------------


def peek(spec: DatasetSpec) -> tuple[int, tuple[int, ...]]:
    """Upper bound of the number of training images, and their shape (C, H, W). Raises ``DataError``."""
    count, shape = _peek_source(spec)
    if isinstance(spec, ImageDataset):
        height, width = shape[1:]
        side = min(height, width) if spec.crop == "square" else spec.crop
        if side is not None:
            height = width = side
        if spec.resize is not None:
            height = width = spec.resize
        shape = (shape[0], height, width)
    return count, shape


def _peek_source(spec: DatasetSpec) -> tuple[int, tuple[int, ...]]:
    match spec:
        case DigitsDataset():
            return 1797, (1, 8, 8)
        case FashionMnistDataset():
            return 60_000, (1, 28, 28)
        case PhotosDataset():  # two photographs of 427x640
            return 2 * (427 // spec.tile) * (640 // spec.tile), (3, spec.tile, spec.tile)
        case CircleDataset():
            return spec.count, (2,)
        case FolderDataset():
            files = folder_files(spec.path)
            try:
                with Image.open(files[0]) as picture:
                    return len(files), (spec.channels, picture.height, picture.width)
            except (OSError, UnidentifiedImageError) as error:
                raise DataError(f"{files[0]} cannot be read as an image ({error}); remove or repair it") from None
        case ArraysDataset():
            try:
                first = to_nchw(_read_array(spec, slice(0, 1)), spec.layout)
                return _array_length(spec), tuple(first.shape[1:])
            except DataError as error:
                raise DataError(f"{spec.path}: {error}") from None


def _array_length(spec: ArraysDataset) -> int:
    if spec.path.suffix in (".npy", ".npz"):
        return len(_read_array(spec, slice(None)))
    with h5py.File(spec.path, "r") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        return int(file[_choose(names, spec.key)].shape[0])


def source_digest(spec: FolderDataset | ArraysDataset, known: dict[str, str]) -> str:
    """Digest of a source of one's own: of the names and contents of its files.

    ``known`` maps the path, size and time of a file to its SHA-256; it is read and filled, so that
    an unchanged source costs no reading. Raises ``DataError`` where the source is not there.
    """
    if isinstance(spec, ArraysDataset):
        if not spec.path.is_file():
            raise DataError(f"{spec.path}: there is no such file")
        files, root = [spec.path], spec.path.parent
    else:
        files, root = folder_files(spec.path), spec.path
    total = hashlib.sha256()
    for path in files:
        stat = path.stat()
        key = f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
        if key not in known:
            with path.open("rb") as stream:
                known[key] = hashlib.file_digest(stream, "sha256").hexdigest()
        name = path.relative_to(root).as_posix() if isinstance(spec, FolderDataset) else path.suffix
        total.update(struct.pack("<I", len(name.encode())) + name.encode() + bytes.fromhex(known[key]))
    return total.hexdigest()[:16]
