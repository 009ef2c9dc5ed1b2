"""The canonical form: ranges, layouts, crops, duplicates."""

from __future__ import annotations

import numpy as np
import pytest

from amdiff.config import DigitsDataset
from amdiff.data.images import transform
from amdiff.errors import DataError
from amdiff.levels import to_nchw, to_uint8


def test_the_ends_of_a_range_are_black_and_white() -> None:
    assert to_uint8(np.array([-1.0, 0.0, 1.0]), (-1, 1)).tolist() == [0, 128, 255]
    assert to_uint8(np.arange(17), (0, 16))[[0, 8, 16]].tolist() == [0, 128, 255]
    assert to_uint8(np.array([True, False]), (0, 1)).tolist() == [255, 0]


def test_uint8_is_kept_and_may_be_stretched() -> None:
    values = np.array([0, 7, 255], np.uint8)
    assert to_uint8(values, None) is values
    assert to_uint8(np.array([0, 1], np.uint8), (0, 1)).tolist() == [0, 255]


@pytest.mark.parametrize(
    ("values", "black_white", "message"),
    [
        (np.array([0.5]), None, "state the values that mean black and white"),
        (np.array([0.5, np.nan, np.inf]), (0, 1), "2 values that are NaN or infinite"),
        (np.array([0.5, 1.5]), (0, 1), "run from 0.5 to 1.5, outside the stated range"),
        (np.array(["a"]), (0, 1), "images are numbers"),
        (np.array([1j]), (0, 1), "complex"),
    ],
)
def test_numbers_that_are_no_images(values: np.ndarray, black_white: tuple[float, float] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_uint8(values, black_white)


def test_layouts(rng: np.random.Generator) -> None:
    nhwc = rng.random((5, 4, 3, 2))
    assert np.array_equal(to_nchw(nhwc, "NHWC")[2, 1], nhwc[2, :, :, 1])
    assert to_nchw(nhwc[..., 0], "NHW").shape == (5, 1, 4, 3)
    with pytest.raises(DataError, match="4 axes"):
        to_nchw(nhwc[..., 0], "NCHW")
    with pytest.raises(DataError, match="empty"):
        to_nchw(nhwc[:0], "NHWC")


def test_box_resizing_by_an_integer_is_average_pooling(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (3, 2, 8, 8), dtype=np.uint8)
    pooled = transform(images, DigitsDataset(kind="digits", resize=4, resample="box"))
    mean = images.reshape(3, 2, 4, 2, 4, 2).mean((3, 5))
    assert pooled.shape == (3, 2, 4, 4)
    assert np.abs(pooled - mean).max() <= 0.5


def test_crops_are_central(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (2, 1, 6, 10), dtype=np.uint8)
    square = transform(images, DigitsDataset(kind="digits", crop="square"))
    assert np.array_equal(square, images[:, :, :, 2:8])
    assert np.array_equal(transform(images, DigitsDataset(kind="digits", crop=2)), images[:, :, 2:4, 4:6])
    with pytest.raises(DataError, match="crop of 7 pixels"):
        transform(images, DigitsDataset(kind="digits", crop=7))
