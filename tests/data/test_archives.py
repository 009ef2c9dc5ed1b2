"""MNIST, CIFAR10 and LSUN-CHURCH from small files in the genuine formats, taken for the genuine ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image

from amdiff.config import Cifar10Dataset, LsunChurchDataset, MnistDataset
from amdiff.data import cifar, idx, lsun
from amdiff.data.datasets import load, peek
from amdiff.errors import DataError

# -- MNIST ------------------------------------------------------------------------------------


def test_mnist_is_read_and_checked(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {}
    for part, count in (("train", 12), ("t10k", 5)):
        for kind, array in (
            ("images-idx3", rng.integers(0, 256, (count, 28, 28))),
            ("labels-idx1", rng.integers(0, 10, count)),
        ):
            content = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            content += array.astype(np.uint8).tobytes()
            name = f"{part}-{kind}-ubyte"
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
            digests[name] = hashlib.sha256(content).hexdigest()
    spec = MnistDataset(kind="mnist", folder=tmp_path)
    with pytest.raises(DataError, match=r"is not MNIST's \(its SHA-256 differs\)"):
        load(spec)
    monkeypatch.setattr(idx, "MNIST", replace(idx.MNIST, sha256=digests))
    data = load(spec)
    assert (data.images.shape, data.test_count) == ((17, 1, 28, 28), 5)
    assert peek(spec) == (60_000, 10_000, (1, 28, 28))
    assert spec.test_images == 10_000


def test_mnist_offline_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(DataError, match=r"MNIST is not here and cannot be downloaded .*Set the dataset's 'folder'"):
        load(MnistDataset(kind="mnist"))


# -- CIFAR10 ----------------------------------------------------------------------------------


@pytest.fixture
def batches(rng: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {name: (rng.integers(0, 256, (4, 3072), dtype=np.uint8), rng.integers(0, 10, 4)) for name in cifar.BATCHES}


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def python_files(batches: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, bytes]:
    return {
        name: pickle.dumps({b"data": data, b"labels": labels.tolist(), b"batch_label": name.encode()}, protocol=2)
        for name, (data, labels) in batches.items()
    }


def binary_files(batches: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, bytes]:
    return {
        f"{name}.bin": np.concatenate([labels[:, None].astype(np.uint8), data], axis=1).tobytes()
        for name, (data, labels) in batches.items()
    }


def archive(path: Path, folder: str, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as out:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("form", ["binary", "python", "extracted", "inside"])
def test_cifar10_is_the_same_from_every_form(
    form: str, tmp_path: Path, batches: dict[str, tuple[np.ndarray, np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if form in ("binary", "python"):
        name, files = (
            (cifar.BINARY, binary_files(batches)) if form == "binary" else (cifar.PYTHON, python_files(batches))
        )
        archive(tmp_path / name, "cifar-10-batches", files)
        monkeypatch.setattr(cifar, "ARCHIVES", {name: md5((tmp_path / name).read_bytes())})
    else:
        folder = tmp_path / "cifar-10-batches-py" if form == "extracted" else tmp_path
        folder.mkdir(exist_ok=True)
        for name, content in python_files(batches).items():
            (folder / name).write_bytes(content)
        monkeypatch.setattr(cifar, "BATCHES", {n: md5(c) for n, c in python_files(batches).items()})
    spec = Cifar10Dataset(kind="cifar10", folder=tmp_path)
    data = load(spec)
    assert (data.images.shape, data.test_count) == ((24, 3, 32, 32), 4)
    expected = np.concatenate([d for d, _ in batches.values()]).reshape(-1, 3, 32, 32)
    assert np.array_equal(data.images, expected)
    assert data.labels is not None
    assert np.array_equal(data.labels, np.concatenate([labels for _, labels in batches.values()]))
    assert peek(spec) == (50_000, 10_000, (3, 32, 32))


def test_a_damaged_archive_of_cifar10_is_refused(
    tmp_path: Path, batches: dict[str, tuple[np.ndarray, np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / cifar.BINARY
    spec = Cifar10Dataset(kind="cifar10", folder=tmp_path)
    with pytest.raises(DataError, match=r"holds neither cifar-10-binary\.tar\.gz nor"):
        load(spec)
    archive(path, "x", binary_files(batches))
    with pytest.raises(DataError, match="is not CIFAR10's, or is damaged"):
        load(spec)
    for files, problem in (
        ({k: v for k, v in binary_files(batches).items() if "test" not in k}, r"lacks test_batch\.bin"),
        ({k: v[:-1] for k, v in binary_files(batches).items()}, "not a multiple of 3073"),
    ):
        archive(path, "x", files)
        monkeypatch.setattr(cifar, "ARCHIVES", {cifar.BINARY: md5(path.read_bytes())})
        with pytest.raises(DataError, match=problem):
            load(spec)


def test_a_batch_that_is_more_than_arrays_is_refused_and_nothing_runs(
    tmp_path: Path, batches: dict[str, tuple[np.ndarray, np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    files = python_files(batches)
    files["data_batch_3"] = pickle.dumps({b"data": Payload(), b"labels": []})
    archive(tmp_path / cifar.PYTHON, "x", files)
    monkeypatch.setattr(cifar, "ARCHIVES", {cifar.PYTHON: md5((tmp_path / cifar.PYTHON).read_bytes())})
    with pytest.raises(DataError, match=r"data_batch_3: is no batch of CIFAR10 \(it asks for builtins\.exec"):
        load(Cifar10Dataset(kind="cifar10", folder=tmp_path))
    assert not (tmp_path / "ran").exists()


def test_cifar10_offline_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torchvision.datasets.utils.download_url", offline)
    with pytest.raises(DataError, match=r"cannot be downloaded .*name it by the dataset's 'folder'"):
        load(Cifar10Dataset(kind="cifar10"))


# -- LSUN-CHURCH ------------------------------------------------------------------------------


def church(folder: Path, rng: np.random.Generator, count: int = 5, form: str = "JPEG") -> list[np.ndarray]:
    """A database of pictures whose smaller side is 256, with smooth content that JPEG keeps."""
    pictures = []
    with lmdb.open(str(folder), map_size=2**24) as base, base.begin(write=True) as transaction:
        for number in range(count):
            width, height = (256, 300) if number % 2 else (340, 256)
            coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
            picture = coarse.resize((width, height), Image.Resampling.BICUBIC)
            content = io.BytesIO()
            picture.save(content, form, quality=95)
            transaction.put(f"{number:040d}".encode(), content.getvalue())
            pictures.append(np.asarray(picture))
    return pictures


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_lsun_is_cropped_and_averaged(form: str, tmp_path: Path, rng: np.random.Generator) -> None:
    pictures = church(tmp_path / lsun.NAME, rng, form=form)
    spec = LsunChurchDataset(kind="lsun-church", folder=tmp_path, count=5)
    data = load(spec)
    assert data.images.shape == (5, 3, 64, 64)
    for image, picture in zip(data.images, pictures, strict=True):
        top, left = ((side - 256) // 2 for side in picture.shape[:2])
        square = picture[top : top + 256, left : left + 256].astype(float)
        pooled = square.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
        assert np.abs(image - pooled).mean() < 3
    assert peek(spec) == (5, 0, (3, 64, 64))
    assert np.array_equal(load(replace_folder(spec, tmp_path / lsun.NAME)).images, data.images)


def replace_folder(spec: LsunChurchDataset, folder: Path) -> LsunChurchDataset:
    return spec.model_copy(update={"folder": folder})


def test_lsun_says_what_is_wrong(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = LsunChurchDataset(kind="lsun-church", folder=tmp_path)
    with pytest.raises(DataError, match=r"Put http://dl\.yf\.io/lsun/scenes/church_outdoor_train_lmdb\.zip"):
        load(spec)
    church(tmp_path / "made", rng)
    with pytest.raises(DataError, match="holds 5 images, not the 126,227"):
        load(replace_folder(spec, tmp_path / "made"))
    archive = tmp_path / f"{lsun.NAME}.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.write(tmp_path / "made/data.mdb", f"{lsun.NAME}/data.mdb")
        out.writestr("../escaped", "no")
    with pytest.raises(DataError, match="is not LSUN-CHURCH's, or is damaged"):
        load(spec)
    monkeypatch.setattr(lsun, "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    assert len(load(spec.model_copy(update={"count": 5})).images) == 5
    assert not (tmp_path.parent / "escaped").exists()
    with lmdb.open(str(tmp_path / "made"), map_size=2**24) as base, base.begin(write=True) as transaction:
        transaction.put(b"bad", b"no picture")
    with pytest.raises(DataError, match="made: bad cannot be read as an image"):
        load(replace_folder(spec, tmp_path / "made"))
    (tmp_path / "made/data.mdb").write_bytes(b"x" * 5000)
    with pytest.raises(DataError, match="cannot be read as an LMDB database"):
        load(replace_folder(spec, tmp_path / "made"))


def test_a_database_that_is_cut_short_is_said_so(tmp_path: Path, rng: np.random.Generator) -> None:
    church(tmp_path / "made", rng, count=12)
    content = (tmp_path / "made/data.mdb").read_bytes()
    (tmp_path / "made/data.mdb").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="is cut short; unpack or copy it again"):
        load(LsunChurchDataset(kind="lsun-church", folder=tmp_path / "made", count=12))
