"""Files that something went wrong with: bytes changed, put in, or cut off. What cannot be read is refused by name."""

from __future__ import annotations

import gzip
import hashlib
import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from amdiff.config import ArraysDataset, FolderDataset, ImageDataset
from amdiff.data import idx
from amdiff.data.datasets import load, peek
from amdiff.errors import DataError

ARRAY = np.arange(4 * 36, dtype=np.uint8).reshape(4, 1, 6, 6)
PICTURE = Image.fromarray((np.add.outer(np.arange(16), np.arange(16)) * 8).astype(np.uint8))


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    (PICTURE.convert("RGB") if kind == "WEBP" else PICTURE).save(out, kind)
    return out.getvalue()


def array(kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "npy":
        np.save(out, ARRAY)
    elif kind == "npz":
        np.savez_compressed(out, images=ARRAY)
    else:
        with h5py.File(out, "w") as file:
            file.create_dataset("images", data=ARRAY, chunks=(2, 1, 6, 6), compression="gzip")
    return out.getvalue()


WHOLE = {f"x.{kind.lower()}": picture(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")}
WHOLE |= {f"x.{kind}": array(kind) for kind in ("npy", "npz", "h5")}

changes = st.lists(
    st.tuples(
        st.sampled_from(["change", "cut", "insert", "large"]), st.integers(0, 2**16), st.binary(min_size=1, max_size=8)
    ),
    min_size=1,
    max_size=3,
)


def spoiled(content: bytes, how: list[tuple[str, int, bytes]]) -> bytes:
    for kind, where, what in how:
        at = where % max(1, len(content))
        if kind == "cut":
            content = content[:at]
        elif kind == "insert":
            content = content[:at] + what + content[at:]
        else:
            new = what if kind == "change" else b"\xff\xff\xff\x7f"
            content = content[:at] + new + content[at + len(new) :]
    return content


def outcome(spec: ImageDataset) -> tuple[int, ...] | str:
    """The shape of what was read, or the complaint."""
    try:
        peek(spec)
        return load(spec).images.shape
    except DataError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(how=changes)
def test_images_are_read_or_refused_by_name(tmp_path: Path, name: str, how: list[tuple[str, int, bytes]]) -> None:
    path = tmp_path / name
    path.write_bytes(spoiled(WHOLE[name], how))
    of_arrays = path.suffix in (".npy", ".npz", ".h5")
    spec: Any = (
        ArraysDataset(kind="arrays", path=path, layout="NCHW")
        if of_arrays
        else FolderDataset(kind="folder", path=tmp_path, channels=1)
    )
    found = outcome(spec)
    if isinstance(found, str):
        assert name in found
    else:
        assert len(found) == 4
        assert found[0] >= 1


def test_whole_files_are_read(tmp_path: Path) -> None:
    for name, content in WHOLE.items():
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_bytes(content)
        if name in ("x.npy", "x.npz", "x.h5"):
            assert outcome(ArraysDataset(kind="arrays", path=folder / name, layout="NCHW")) == ARRAY.shape
        else:
            assert outcome(FolderDataset(kind="folder", path=folder, channels=1)) == (1, 1, 16, 16)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(how=changes, packed=st.booleans())
def test_idx_files_are_read_or_refused_by_name(tmp_path: Path, how: list[tuple[str, int, bytes]], packed: bool) -> None:
    """Also where the sums are those of the broken files, so that their content itself is looked at."""
    images = b"\x00\x00\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (3, 28, 28)) + bytes(3 * 784)
    labels = b"\x00\x00\x08\x01" + (3).to_bytes(4, "big") + bytes(3)
    sums = {}
    for name in idx.MNIST.sha256:
        whole = images if "images" in name else labels
        inner = spoiled(whole, how) if name.startswith("train-images") and not packed else whole
        outer = gzip.compress(inner, mtime=0)
        if name.startswith("train-images") and packed:
            outer = spoiled(outer, how)
        sums[name] = hashlib.sha256(inner).hexdigest()
        (tmp_path / f"{name}.gz").write_bytes(outer)
    family = idx.Family(**{**vars(idx.MNIST), "sha256": sums})
    try:
        found: Any = idx._read(family, tmp_path).images.shape
    except DataError as error:
        found = str(error)
    assert "train-images-idx3-ubyte" in found if isinstance(found, str) else found[2:] == (28, 28)
