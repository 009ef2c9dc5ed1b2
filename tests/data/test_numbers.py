"""Numbers become images by a stated range, and what does not bear it out is refused or said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from amdiff.config import ArraysDataset, ConfigError, parse_config
from amdiff.data.arrays import array_ends, array_type, likely_layout
from amdiff.data.datasets import Reading, load, peek
from amdiff.errors import DataError
from amdiff.levels import Numbers


def read(tmp_path: Path, array: np.ndarray, **spec: Any) -> tuple[np.ndarray, list[str]]:
    np.save(tmp_path / "x.npy", array)
    reading = Reading(ArraysDataset(kind="arrays", path=tmp_path / "x.npy", deduplicate=False, **spec))
    return np.concatenate([block.images for block in reading]), reading.notes


def test_small_overshoots_are_clipped_and_said(tmp_path: Path, rng: np.random.Generator) -> None:
    array = rng.uniform(-1, 1, (4, 1, 8, 8))
    array[0, 0, 0, :3] = [1.01, -1.005, 1.02]
    images, notes = read(tmp_path, array, range=(-1, 1))
    assert images[0, 0, 0, :3].tolist() == [255, 0, 255]
    assert notes == ["3 of 256 values lie outside the stated range [-1, 1], by at most 1.00% of it; they were clipped"]
    array[0, 0, 0, 0] = 1.03
    with pytest.raises(DataError, match=r"run from -1.005 to 1.03, outside the stated range \[-1, 1\]"):
        read(tmp_path, array, range=(-1, 1))


@pytest.mark.parametrize(
    ("low", "high", "stated", "said"),
    [
        (0, 1, (-1, 1), "values run from 0 to 1, and the stated range is [-1, 1]"),
        (-1, 0, (-1, 1), "values run from -1 to 0"),
        (0, 0.4, (0, 1), "values run from 0 to 0.4"),
        (0, 120, (0, 255), "values run from 0 to 120"),
        (-1, 1, (-1, 1), None),
        (0, 0.8, (0, 1), None),
        (-0.4, 0.9, (-1, 1), None),
    ],
)
def test_a_range_that_is_not_filled_is_said(
    tmp_path: Path, low: float, high: float, stated: tuple[float, float], said: str | None
) -> None:
    _, notes = read(tmp_path, np.linspace(low, high, 4 * 64).reshape(4, 1, 8, 8), range=stated)
    assert len(notes) == (said is not None)
    assert said is None or notes[0].startswith(said)


def test_the_whole_set_counts_not_its_first_block(rng: np.random.Generator) -> None:
    numbers = Numbers((-1, 1))
    numbers.to_uint8(np.zeros((2, 2)))
    numbers.to_uint8(np.array([[-1.0, 1.0]]))
    assert numbers.remarks() == []


def test_levels_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"fill only one or two of the 256 levels of the stated range \[0, 255\]"):
        read(tmp_path, np.linspace(0, 1, 64).reshape(1, 1, 8, 8), range=(0, 255))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int64, bool])
def test_zeros_and_ones_need_a_range(tmp_path: Path, rng: np.random.Generator, kind: Any) -> None:
    array = rng.integers(0, 2, (3, 1, 8, 8)).astype(kind)
    with pytest.raises(DataError, match="state the values that mean black and white"):
        read(tmp_path, array)
    images, notes = read(tmp_path, array, range=(0, 1))
    assert np.array_equal(images, array.astype(np.uint8) * 255)
    assert notes == []


def test_labels_of_three_classes_are_no_images(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(DataError, match="values run from 0 to 2, where 255 means white"):
        read(tmp_path, rng.integers(0, 3, (9, 1, 8, 8)).astype(np.uint8))


def test_dark_uint8_is_said(tmp_path: Path, rng: np.random.Generator) -> None:
    """As the digits of 0 to 16 are; they may be dark pictures as well."""
    _, (note,) = read(tmp_path, rng.integers(0, 17, (9, 1, 8, 8)).astype(np.uint8))
    assert note.startswith("values run from 0 to 16, and 255 means white")


def test_each_side_has_its_own_range_key_and_layout(tmp_path: Path, rng: np.random.Generator) -> None:
    train, held = rng.integers(0, 256, (5, 3, 6, 6)), rng.integers(0, 256, (4, 3, 6, 6))
    np.savez(tmp_path / "x.npz", a=train / 255, b=(held / 127.5 - 1).transpose(0, 2, 3, 1), c=np.zeros(3))
    spec = ArraysDataset(
        kind="arrays", path=f"{tmp_path}/x.npz::a", heldout=f"{tmp_path}/x.npz::b", range=(0, 1), heldout_range=(-1, 1),
        heldout_layout="NHWC",
    )  # fmt: skip
    assert peek(spec) == (5, 4, (3, 6, 6))
    with pytest.raises(DataError, match=r"held out: .*x\.npz: values run from -1 to 1, outside the stated range"):
        load(spec.model_copy(update={"heldout_range": None}))
    data = load(spec)
    assert np.array_equal(data.images, np.concatenate([train, held]))
    plain = ArraysDataset(kind="arrays", path=tmp_path / "x.npz", key="a", range=(0, 1))
    assert not any(name.startswith("heldout") for name in plain.identity())
    with pytest.raises(ConfigError, match=r"got 'b', but path names 'a'"):
        parse_config({"datasets": {"x": {"kind": "arrays", "path": f"{tmp_path}/x.npz::a", "key": "b"}}})


# -- MATLAB -----------------------------------------------------------------------------------


@pytest.mark.parametrize("old", [True, False])
def test_matlabs_order_of_axes(tmp_path: Path, rng: np.random.Generator, old: bool) -> None:
    """H x W x C x N as MATLAB shows it; before version 7.3 in a format of its own, then in HDF5 with axes reversed."""
    images = rng.integers(0, 256, (5, 3, 4, 6), np.uint8)
    shown = images.transpose(2, 3, 1, 0)
    path = tmp_path / "x.mat"
    if old:
        savemat(path, {"X": shown, "y": np.arange(5)})
    else:
        with h5py.File(path, "w") as file:
            file["X"] = shown.transpose()
            file["X"].attrs["MATLAB_class"] = np.bytes_("uint8")
    assert array_type(path, "X")[0] == (4, 6, 3, 5)
    data = load(ArraysDataset(kind="arrays", path=path, key="X", layout="HWCN"))
    assert np.array_equal(data.images, images)
    with pytest.raises(DataError, match=r"the shape \(4, 6, 3, 5\), which reads as layout HWCN, not NCHW"):
        load(ArraysDataset(kind="arrays", path=path, key="X"))


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((100, 3, 32, 32), "NCHW"),
        ((100, 1, 28, 28), "NCHW"),
        ((100, 32, 32, 3), "NHWC"),
        ((32, 32, 3, 100), "HWCN"),
        ((32, 32, 3, 3), "HWCN"),
        ((28, 28, 1, 5000), "HWCN"),
        ((40, 60, 3, 100), "HWCN"),
        ((3, 3, 32, 32), "NCHW"),
        ((100, 3, 3, 3), "NCHW"),
        ((100, 32, 32, 4), None),
        ((5000, 28, 28), "NHW"),
        ((28, 28, 28), "NHW"),
        ((28, 28, 5000), "HWN"),
        ((100, 10), None),
    ],
)
def test_layouts_are_recognised(shape: tuple[int, ...], layout: str | None) -> None:
    assert likely_layout(shape) == layout


@pytest.mark.parametrize(
    ("shape", "layout"), [((48, 32, 120), "HWN"), ((28, 28, 5000), "HWN"), ((5000, 28, 28), "NHW"), ((9, 9, 9), "HWN")]
)
def test_matlabs_files_have_matlabs_order(shape: tuple[int, ...], layout: str) -> None:
    assert likely_layout(shape, matlab=True) == layout


def test_a_layout_that_was_not_stated_is_doubted_after_freezing_too(tmp_path: Path, rng: np.random.Generator) -> None:
    np.save(tmp_path / "x.npy", rng.integers(0, 256, (10, 8, 8, 3), np.uint8))
    spec = ArraysDataset(kind="arrays", path=tmp_path / "x.npy")
    frozen = ArraysDataset.model_validate_json(spec.model_dump_json())
    for one in (spec, frozen):
        with pytest.raises(DataError, match="reads as layout NHWC, not NCHW"):
            peek(one)
    assert peek(ArraysDataset(kind="arrays", path=tmp_path / "x.npy", layout="NCHW"))[2] == (8, 8, 3)
    assert spec.identity()["layout"] == "NCHW"


def test_ends_of_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[[0.5, np.nan], [-2, 7]]]))
    assert array_ends(tmp_path / "x.npy") == (-2, 7)


@pytest.mark.parametrize("name", ["x.pt", "x.csv", "x.pkl"])
def test_other_files_are_told_what_to_become(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"whatever this is")
    with pytest.raises(DataError, match=rf"{name}: is none of \.npy.*as by numpy\.save") as said:
        peek(ArraysDataset(kind="arrays", path=tmp_path / name))
    assert "truncated" not in str(said.value)


def test_many_arrays_are_not_listed_without_end(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **{f"a{i:03}": np.zeros((2, 1, 2, 2), np.uint8) for i in range(200)})
    with pytest.raises(DataError, match="a009 and 190 more; choose one by 'key'"):
        peek(ArraysDataset(kind="arrays", path=tmp_path / "x.npz"))
