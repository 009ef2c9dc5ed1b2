"""Pictures in archives and tables are read as those of a folder are."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from amdiff.config import FolderDataset
from amdiff.data.datasets import Reading, load, peek
from amdiff.data.digests import source_digest
from amdiff.errors import DataError


def encoded(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (7, 8, 8, 3), np.uint8)


def write(path: Path, images: np.ndarray) -> Path:
    """The images in a container of that suffix, beside members that are none."""
    files = {f"pictures/{i}.png": encoded(image) for i, image in enumerate(images)}
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in reversed(files.items()):
                archive.writestr(name, content)
            archive.writestr("__MACOSX/pictures/._0.png", b"x")
            archive.writestr("pictures/labels.json", "{}")
    elif ".tar" in path.name or path.suffix == ".tgz":
        with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
            for name, content in {**files, "pictures/0.json": b"{}", "pictures/.0.png": b"x"}.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    elif path.suffix == ".parquet":
        rows = [{"bytes": content, "path": name} for name, content in files.items()]
        pq.write_table(pa.table({"image": rows, "label": list(range(len(rows)))}), path)
    elif path.suffix == ".arrow":
        rows = [{"bytes": content, "path": None} for content in files.values()]
        table = pa.table({"image": rows, "label": list(range(len(rows)))})
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)
    else:
        with h5py.File(path, "w") as file:
            rows = file.create_dataset("jpegs", (len(files),), h5py.vlen_dtype(np.uint8))
            for i, content in enumerate(files.values()):
                rows[i] = np.frombuffer(content, np.uint8)
            file["labels"] = np.arange(len(files))
    return path


SUFFIXES = [".zip", ".tar", ".tar.gz", ".tgz", ".parquet", ".arrow", ".h5"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_containers_hold_what_folders_hold(tmp_path: Path, images: np.ndarray, suffix: str) -> None:
    path = write(tmp_path / f"x{suffix}", images)
    spec = FolderDataset(kind="folder", path=path)
    reading = Reading(spec)
    (block,) = list(reading)
    assert np.array_equal(block.images, images.transpose(0, 3, 1, 2))
    assert peek(spec) == (7, 0, (3, 8, 8))
    assert block.names is not None
    named = suffix not in (".parquet", ".arrow", ".h5")
    assert block.names[2] == f"x{suffix}/{'pictures/2.png' if named else '2'}"
    passed = {".zip": "1 .json, 1 __MACOSX", ".parquet": "", ".arrow": "", ".h5": ""}.get(suffix, "1 .json, 1 hidden")
    assert reading.notes == ([f"passed over: {passed}"] if passed else [])


def test_a_folder_of_containers_is_read_in_their_order(tmp_path: Path, images: np.ndarray) -> None:
    """As WebDataset and the hub's datasets come: in several files."""
    write(tmp_path / "train-00000.parquet", images[:4])
    write(tmp_path / "train-00001.parquet", images[4:])
    (tmp_path / "dataset_info.json").write_text("{}")
    reading = Reading(FolderDataset(kind="folder", path=tmp_path))
    (block,) = list(reading)
    assert np.array_equal(block.images, images.transpose(0, 3, 1, 2))
    two = "train-00000.parquet, train-00001.parquet"
    assert reading.notes == ["passed over: 1 .json", f"read from 2 files, {two}"]
    write(tmp_path / "more.zip", images)
    with pytest.raises(DataError, match=r"containers of several kinds: more\.zip, train-00000\.parquet, train-00001"):
        peek(FolderDataset(kind="folder", path=tmp_path))
    # beside pictures they are passed over
    Image.fromarray(images[0]).save(tmp_path / "a.png")
    reading = Reading(FolderDataset(kind="folder", path=tmp_path))
    assert sum(len(part.images) for part in reading) == 1
    assert reading.notes == ["passed over: 2 .parquet, 1 .json, 1 .zip"]


def test_held_out_images_may_lie_in_a_container(tmp_path: Path, images: np.ndarray) -> None:
    write(tmp_path / "a.zip", images[:4])
    write(tmp_path / "b.tar", images[4:])
    data = load(FolderDataset(kind="folder", path=tmp_path / "a.zip", heldout=tmp_path / "b.tar"))
    assert data.test_count == 3
    assert np.array_equal(data.images, images.transpose(0, 3, 1, 2))


def test_a_column_is_chosen_by_key(tmp_path: Path, images: np.ndarray) -> None:
    rows = [encoded(image) for image in images]
    pq.write_table(pa.table({"photo": rows, "mask": rows[::-1], "label": list(range(7))}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x\.parquet: holds the columns photo, mask; choose one by 'key'"):
        load(FolderDataset(kind="folder", path=tmp_path / "x.parquet"))
    found = load(FolderDataset(kind="folder", path=tmp_path / "x.parquet", key="mask"))
    assert np.array_equal(found.images, images[::-1].transpose(0, 3, 1, 2))
    plain = tmp_path / "plain"
    plain.mkdir()
    Image.fromarray(255 - images[0]).save(plain / "a.png")
    with pytest.raises(DataError, match="'mask' names a column or an array"):
        peek(FolderDataset(kind="folder", path=write(tmp_path / "y.zip", images), key="mask"))
    mixed = FolderDataset(kind="folder", path=tmp_path / "x.parquet", key="mask", heldout=plain)
    assert peek(mixed) == (7, 1, (3, 8, 8))
    for wrong in (
        {"path": plain, "key": "mask"},
        {"path": tmp_path / "x.parquet", "heldout": plain, "heldout_key": "mask"},
    ):
        with pytest.raises(
            DataError, match="'mask' names a column or an array of a container; there are picture files"
        ):
            peek(FolderDataset(kind="folder", **{"key": "photo", **wrong} if "heldout" in wrong else wrong))


def test_what_cannot_be_read_says_why(tmp_path: Path, images: np.ndarray) -> None:
    path = write(tmp_path / "x.zip", images)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=r"x\.zip: cannot be read \(File is not a zip file\)"):
        load(FolderDataset(kind="folder", path=path))
    pq.write_table(pa.table({"label": [1, 2]}), tmp_path / "y.parquet")
    with pytest.raises(DataError, match=r"y\.parquet: holds no column of pictures; it has: label"):
        load(FolderDataset(kind="folder", path=tmp_path / "y.parquet"))
    rows = [{"bytes": None, "path": "/data/1.png"}, {"bytes": None, "path": "/data/2.png"}]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    pq.write_table(pa.table({"image": pa.array(rows, kind)}), tmp_path / "z.parquet")
    with pytest.raises(DataError, match=r"row 0 of 'image' holds no picture, only the path '/data/1.png'"):
        load(FolderDataset(kind="folder", path=tmp_path / "z.parquet"))
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("a.png", encoded(images[0]))
        archive.writestr("b.png", b"not a picture")
    with pytest.raises(DataError, match=r"bad\.zip/b\.png cannot be read as an image"):
        load(FolderDataset(kind="folder", path=tmp_path / "bad.zip"))


def test_a_container_is_known_by_its_content(tmp_path: Path, images: np.ndarray) -> None:
    spec = FolderDataset(kind="folder", path=write(tmp_path / "x.tar", images))
    before = source_digest(spec, {})
    write(tmp_path / "x.tar", images[::-1])
    assert source_digest(spec, {}) != before


@pytest.mark.parametrize("spoil", ["cut", "bad", "twice", "no end"])
def test_a_tar_that_is_not_whole_is_not_read_as_a_shorter_one(tmp_path: Path, images: np.ndarray, spoil: str) -> None:
    """Python's reader stops in silence."""
    path = write(tmp_path / "x.tar", images)
    content = path.read_bytes()
    with tarfile.open(path) as tar:
        middle = tar.getmembers()[3].offset
    changed = {
        "cut": content[: middle + 100],
        "bad": content[: middle + 10] + b"\xff" * 30 + content[middle + 40 :],
        "twice": content + content,
        "no end": content[:middle],
    }
    path.write_bytes(changed[spoil])
    with pytest.raises(DataError, match=r"x\.tar: (is not whole|is several archives)"):
        load(FolderDataset(kind="folder", path=path))


def test_links_in_a_tar_are_what_they_lead_to(tmp_path: Path, images: np.ndarray) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        hard, soft = tarfile.LNKTYPE, tarfile.SYMTYPE
        links = (("0.png", None, ""), ("1.png", hard, "0.png"), ("2.png", soft, "0.png"), ("3.png", soft, "gone.png"))
        for name, kind, target in links:
            info = tarfile.TarInfo(name)
            content = encoded(images[0]) if kind is None else b""
            info.size, info.linkname = len(content), target
            if kind is not None:
                info.type = kind
            tar.addfile(info, io.BytesIO(content))
    reading = Reading(FolderDataset(kind="folder", path=tmp_path / "x.tar", deduplicate=False))
    assert sum(len(block.images) for block in reading) == 3
    assert reading.notes == ["passed over: 1 broken links"]


def test_an_arrow_stream_without_its_end_is_refused(tmp_path: Path, images: np.ndarray) -> None:
    rows = pa.table({"image": [encoded(image) for image in images]})
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as out, pa.ipc.new_stream(out, rows.schema) as stream:
        for batch in rows.to_batches(max_chunksize=2):
            stream.write_batch(batch)
    content = (tmp_path / "x.arrow").read_bytes()
    (tmp_path / "x.arrow").write_bytes(content[:-8])
    with pytest.raises(DataError, match=r"x\.arrow: is not whole: it has no end mark"):
        load(FolderDataset(kind="folder", path=tmp_path / "x.arrow"))


def test_splits_and_caches_are_not_mixed(tmp_path: Path, images: np.ndarray) -> None:
    for name in ("data-00000-of-00001.arrow", "cache-0123.arrow"):
        write(tmp_path / name, images)
    reading = Reading(FolderDataset(kind="folder", path=tmp_path))
    assert sum(len(block.images) for block in reading) == 7
    assert reading.notes == ["passed over: 1 caches of datasets"]
    both = tmp_path / "both"
    both.mkdir()
    for name in ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"):
        write(both / name, images)
    with pytest.raises(DataError, match="containers of several splits, test, train: test-00000"):
        peek(FolderDataset(kind="folder", path=both))


def test_the_first_picture_of_a_container_may_be_unreadable(tmp_path: Path, images: np.ndarray) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("0.png", b"")
        archive.writestr("1.png", encoded(images[0]))
    spec = FolderDataset(kind="folder", path=tmp_path / "x.zip", skip_unreadable=True)
    assert peek(spec) == (2, 0, (3, 8, 8))
    assert len(load(spec).images) == 1
