"""Every kind of dataset: what it gives, and what it says of broken input."""

from __future__ import annotations

import gzip
import struct
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from amdiff.config import ArraysDataset, CircleDataset, DigitsDataset, FashionMnistDataset, FolderDataset, PhotosDataset
from amdiff.data import idx
from amdiff.data.builtin import circle
from amdiff.data.datasets import Reading, load, peek
from amdiff.data.digests import source_digest
from amdiff.errors import DataError
from amdiff.neighbors.sets import digests


def test_digits() -> None:
    data = load(DigitsDataset(kind="digits"))
    assert data.images.shape == (1797, 1, 8, 8)
    assert data.images.max() == 255
    assert data.labels is not None
    assert np.bincount(data.labels).min() > 170
    assert peek(DigitsDataset(kind="digits")) == (1797, 0, (1, 8, 8))


@pytest.mark.parametrize("tile", [16, 32])
def test_photos_are_cut_without_overlap(tile: int) -> None:
    from sklearn.datasets import load_sample_images

    spec = PhotosDataset(kind="photos", tile=tile, deduplicate=False)
    data = load(spec)
    assert (len(data.images), 0, data.images.shape[1:]) == peek(spec)
    photo = load_sample_images().images[0]
    across = 640 // tile
    assert np.array_equal(data.images[across + 2].transpose(1, 2, 0), photo[tile : 2 * tile, 2 * tile : 3 * tile])


def test_the_circle_has_radius_one() -> None:
    points = circle(CircleDataset(kind="circle", count=1000))
    assert (points.shape, points.dtype) == ((1000, 2), np.float32)
    assert np.allclose(np.linalg.norm(points, axis=1), 1, atol=1e-6)


# -- FASHION-MNIST ----------------------------------------------------------------------------


def write_idx(path: Path, array: np.ndarray) -> None:
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))


@pytest.fixture
def fashion(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small files in the genuine format, taken for the genuine ones."""
    monkeypatch.setattr(idx, "FASHION_MNIST", replace(idx.FASHION_MNIST, sha256={}))
    for part, count in (("train", 12), ("t10k", 5)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", rng.integers(0, 256, (count, 28, 28)))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", np.arange(count) % 10)
    return tmp_path


def test_idx_files_are_read(fashion: Path) -> None:
    data = load(FashionMnistDataset(kind="fashion-mnist", folder=fashion, resize=14))
    assert data.images.shape == (17, 1, 14, 14)
    assert data.test_count == 5
    assert data.labels is not None
    assert data.labels[10:].tolist() == [0, 1, 0, 1, 2, 3, 4]


def test_other_data_in_the_same_format_is_refused(fashion: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx, "FASHION_MNIST", replace(idx.FASHION_MNIST, sha256={"t10k-labels-idx1-ubyte": "0" * 64}))
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is not FASHION-MNIST's"):
        load(FashionMnistDataset(kind="fashion-mnist", folder=fashion))


@pytest.mark.parametrize("keep", [0, 9, 20, 600])
def test_a_truncated_idx_file_is_refused(fashion: Path, keep: int) -> None:
    path = fashion / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    for content in (whole[:keep], gzip.compress(gzip.decompress(whole)[:keep])):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is no whole IDX file"):
            load(FashionMnistDataset(kind="fashion-mnist", folder=fashion))


def test_a_missing_idx_file_is_named(fashion: Path) -> None:
    (fashion / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is missing"):
        load(FashionMnistDataset(kind="fashion-mnist", folder=fashion))


def test_offline_says_how_to_get_the_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from torchvision.datasets import FashionMNIST

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(idx, "FASHION_MNIST", replace(idx.FASHION_MNIST, package=None))
    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(DataError, match="apt-get install dataset-fashion-mnist"):
        load(FashionMnistDataset(kind="fashion-mnist"))


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(), reason="needs Debian's package dataset-fashion-mnist"
)
def test_the_genuine_fashion_mnist() -> None:
    data = load(FashionMnistDataset(kind="fashion-mnist", deduplicate=False))
    assert data.images.shape == (70_000, 1, 28, 28)
    assert data.labels is not None
    assert np.bincount(data.labels[:60_000]).tolist() == [6000] * 10
    assert data.duplicates == 0


# -- a folder ---------------------------------------------------------------------------------


def save_image(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def test_a_folder_is_read_in_sorted_order(tmp_path: Path, rng: np.random.Generator) -> None:
    pictures = rng.integers(0, 256, (3, 6, 6, 3), dtype=np.uint8)
    for name, picture in zip(("b.png", "a/z.png", "c.bmp"), pictures, strict=True):
        save_image(tmp_path / name, picture)
    (tmp_path / "notes.txt").write_text("no image")
    data = load(FolderDataset(kind="folder", path=tmp_path))
    assert np.array_equal(data.images, pictures[[1, 0, 2]].transpose(0, 3, 1, 2))
    gray = load(FolderDataset(kind="folder", path=tmp_path, channels=1))
    assert gray.images.shape == (3, 1, 6, 6)


@pytest.mark.parametrize("block", [1, 4, 4096])
def test_duplicates_are_left_out_and_counted_whatever_the_blocks(
    tmp_path: Path, rng: np.random.Generator, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also held-out images that are among the others."""
    monkeypatch.setattr("amdiff.data.arrays.BLOCK", block)
    images = rng.integers(0, 256, (6, 1, 4, 4), dtype=np.uint8)
    images[3], images[5] = images[0], images[1]
    np.save(tmp_path / "train.npy", images[:4])
    np.save(tmp_path / "heldout.npy", images[4:])
    spec = {"kind": "arrays", "path": tmp_path / "train.npy", "heldout": tmp_path / "heldout.npy"}
    data = load(ArraysDataset(**spec))
    assert np.array_equal(data.images, images[[0, 1, 2, 4]])
    assert (data.test_count, data.duplicates) == (1, 2)
    assert peek(ArraysDataset(**spec)) == (4, 2, (1, 4, 4))
    whole = load(ArraysDataset(**spec, deduplicate=False))
    assert np.array_equal(whole.images, images)
    assert (whole.test_count, whole.duplicates) == (2, 2)
    reading = Reading(ArraysDataset(**spec, deduplicate=False))
    assert sum(len(part.images) for part in reading) == 6
    assert reading.digest == digests([np.frombuffer(b"".join(digests(images)), np.uint8)])[0].hex()


def test_a_folder_of_held_out_images(tmp_path: Path, rng: np.random.Generator) -> None:
    pictures = rng.integers(0, 256, (3, 6, 6, 3), dtype=np.uint8)
    for name, picture in zip(("train/b.png", "train/a.png", "other/c.png"), pictures, strict=True):
        save_image(tmp_path / name, picture)
    spec = FolderDataset(kind="folder", path=tmp_path / "train", heldout=tmp_path / "other")
    assert [(b.test, b.names.tolist()) for b in Reading(spec) if b.names is not None] == [
        (False, ["a.png", "b.png"]),
        (True, ["c.png"]),
    ]
    alone = FolderDataset(kind="folder", path=tmp_path / "train")
    assert source_digest(spec, {}) != source_digest(alone, {})


def test_images_of_mixed_sizes_need_a_resize(tmp_path: Path) -> None:
    save_image(tmp_path / "a.png", np.zeros((6, 6, 3), np.uint8))
    save_image(tmp_path / "b.png", np.full((8, 12, 3), 9, np.uint8))
    with pytest.raises(DataError, match=r"b\.png is 8x12, but .*a\.png is 6x6; set resize"):
        load(FolderDataset(kind="folder", path=tmp_path))
    assert load(FolderDataset(kind="folder", path=tmp_path, crop="square", resize=4)).images.shape == (2, 3, 4, 4)


def test_a_folder_is_cropped_and_resized_once(tmp_path: Path, rng: np.random.Generator) -> None:
    pictures = [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (16, 20)]
    for i, picture in enumerate(pictures):
        save_image(tmp_path / f"{i}.png", picture)
    found = load(FolderDataset(kind="folder", path=tmp_path, crop=12, resize=6))
    centre = pictures[1][4:16, 4:16].reshape(6, 2, 6, 2, 3).mean((1, 3))
    assert np.abs(found.images[1].transpose(1, 2, 0) - centre).max() <= 0.5
    assert load(FolderDataset(kind="folder", path=tmp_path, crop=12)).images.shape == (2, 3, 12, 12)
    with pytest.raises(DataError, match=r"0\.png: a crop of 18 pixels"):
        load(FolderDataset(kind="folder", path=tmp_path, crop=18))


def test_images_of_more_than_eight_bits_are_refused(tmp_path: Path) -> None:
    save_image(tmp_path / "deep.png", np.full((4, 4), 40_000, np.uint16))
    with pytest.raises(DataError, match=r"deep\.png has I;16 pixels, more than 8 bits"):
        load(FolderDataset(kind="folder", path=tmp_path))


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"not a png")
    with pytest.raises(DataError, match=r"bad\.png cannot be read as an image"):
        load(FolderDataset(kind="folder", path=tmp_path))


def test_an_empty_or_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image files"):
        load(FolderDataset(kind="folder", path=tmp_path))
    with pytest.raises(DataError, match="there is no such file or folder"):
        load(FolderDataset(kind="folder", path=tmp_path / "none"))


# -- arrays -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_arrays_in_every_format(tmp_path: Path, rng: np.random.Generator, suffix: str) -> None:
    array, path = rng.random((5, 4, 4, 3)).astype(np.float32), tmp_path / f"x{suffix}"
    if suffix == ".npy":
        np.save(path, array)
    elif suffix == ".npz":
        np.savez(path, images=array)
    else:
        with h5py.File(path, "w") as file:
            file["group/images"] = array
    spec = ArraysDataset(kind="arrays", path=path, layout="NHWC", range=(0, 1))
    assert np.array_equal(load(spec).images, np.rint(array.transpose(0, 3, 1, 2) * 255).astype(np.uint8))
    assert peek(spec) == (5, 0, (3, 4, 4))


def test_nan_in_arrays_is_refused(tmp_path: Path) -> None:
    array = np.zeros((2, 1, 2, 2))
    array[1, 0, 1, 1] = np.nan
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DataError, match=r"x\.npy: the array holds 1 values that are NaN"):
        load(ArraysDataset(kind="arrays", path=tmp_path / "x.npy", range=(0, 1)))


def test_truncated_and_foreign_files_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["images"] = rng.integers(0, 256, (50, 1, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "x.npy", rng.random((50, 1, 8, 8)))
    np.savez_compressed(tmp_path / "x.npz", rng.random((50, 1, 8, 8)))
    for name in ("x.h5", "x.npy", "x.npz"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:2000])
        with pytest.raises(DataError, match=f"{name}: cannot be read"):
            load(ArraysDataset(kind="arrays", path=path, range=(0, 1)))


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(DataError, match=r"x\.npy: holds Python objects, which only a pickle can carry"):
        load(ArraysDataset(kind="arrays", path=tmp_path / "x.npy", range=(0, 1)))


def test_arrays_are_looked_at_before_work_starts(tmp_path: Path, rng: np.random.Generator) -> None:
    np.save(tmp_path / "x.npy", rng.random((5, 1, 8, 8)))
    with pytest.raises(DataError, match="state the values that mean black and white"):
        peek(ArraysDataset(kind="arrays", path=tmp_path / "x.npy"))
    with pytest.raises(DataError, match="crop of 9 pixels"):
        peek(ArraysDataset(kind="arrays", path=tmp_path / "x.npy", range=(0, 1), crop=9))
    np.save(tmp_path / "zero.npy", np.array(1.0))
    with pytest.raises(DataError, match=r"zero\.npy"):
        peek(ArraysDataset(kind="arrays", path=tmp_path / "zero.npy", range=(0, 1)))


def test_several_arrays_need_a_key(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros((2, 1, 2, 2), np.uint8), b=np.full((3, 1, 2, 2), 9, np.uint8))
    with pytest.raises(DataError, match="a, b; choose one by 'key'"):
        load(ArraysDataset(kind="arrays", path=tmp_path / "x.npz"))
    with pytest.raises(DataError, match="no array 'c'; there are: a, b"):
        load(ArraysDataset(kind="arrays", path=tmp_path / "x.npz", key="c"))
    chosen = ArraysDataset(kind="arrays", path=tmp_path / "x.npz", key="b", deduplicate=False)
    assert len(load(chosen).images) == 3


# -- digests of sources -----------------------------------------------------------------------


def test_a_source_digest_follows_content_and_names_but_not_times(tmp_path: Path) -> None:
    import os

    spec = FolderDataset(kind="folder", path=tmp_path)
    save_image(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    known: dict[str, str] = {}
    first = source_digest(spec, known)
    os.utime(tmp_path / "a.png", (1, 1))
    assert source_digest(spec, known) == first
    save_image(tmp_path / "a.png", np.ones((4, 4), np.uint8))
    second = source_digest(spec, known)
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    assert len({first, second, source_digest(spec, known)}) == 3
