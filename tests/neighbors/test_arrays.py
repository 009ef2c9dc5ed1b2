"""Sets of arrays: which metric compares them, and what is refused."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

from amdiff.neighbors import Embedding, embed, nearest_neighbors, radius_pairs
from tests.backbones import save_backbone


def test_features_are_compared_as_they_are(rng: np.random.Generator) -> None:
    """Against brute force; equal vectors are at distance 0 exactly, and a vector is not its own neighbour."""
    queries, database = rng.normal(size=(40, 7)), rng.normal(size=(90, 7)).astype(np.float32)
    queries[5] = database[11]
    found = nearest_neighbors(embed(queries), embed(database), 3)
    pairs = np.linalg.norm(queries[:, None].astype(np.float32) - database[None].astype(np.float64), axis=2)
    order = np.argsort(pairs, axis=1)[:, :3]
    assert np.array_equal(found.index, order)
    assert np.allclose(found.distance, np.take_along_axis(pairs, order, 1), rtol=1e-12, atol=1e-12)
    assert found.distance[5, 0] == 0
    twice = embed(np.concatenate([database, database[:1]]))
    within = nearest_neighbors(twice, twice, 1)
    assert within.index[0, 0] == 90
    assert (within.index[:, 0] != np.arange(91)).all()


def test_images_are_compared_by_pixels_in_one_unit(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (20, 1, 5, 5), dtype=np.uint8)
    by_pixels = nearest_neighbors(embed(images[:5]), embed(images[5:]), 2)
    as_numbers = nearest_neighbors(*(embed(part / 127.5 - 1, "values") for part in (images[:5], images[5:])), 2)
    assert np.array_equal(by_pixels.index, as_numbers.index)
    assert np.allclose(by_pixels.distance, as_numbers.distance, rtol=1e-6)
    stated = nearest_neighbors(*(embed(part / 127.5 - 1, range=(-1, 1)) for part in (images[:5], images[5:])), 2)
    assert np.array_equal(by_pixels.distance, stated.distance)


def test_numbers_that_fill_their_range_badly_are_said(rng: np.random.Generator) -> None:
    with pytest.warns(UserWarning, match=r"values run from 0 to 1, and the stated range is \[-1, 1\]"):
        embed(rng.integers(0, 2, (4, 1, 4, 4)).astype(np.float32), range=(-1, 1))


def test_a_perceptual_metric_passes_each_image_once(rng: np.random.Generator, tmp_path: Path) -> None:
    import torch

    weights = save_backbone(tmp_path / "alex.pth", "lpips-alex")
    images = rng.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
    sets = [embed(part, "lpips-alex", backbone=weights) for part in (images[:4], images[4:])]
    assert sets[0].embedding is sets[1].embedding
    found = nearest_neighbors(*sets, 2, memory_mb=0.1)
    import lpips

    module = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    stored = torch.load(weights, weights_only=True)
    slices = {f"slice{i}": getattr(module.net, f"slice{i}") for i in range(1, 6)}
    for part in slices.values():
        part.load_state_dict({k: stored[f"features.{k}"] for k in part.state_dict()})
    x = torch.from_numpy(images).float() / 127.5 - 1
    with torch.no_grad():
        direct = module(x[:4].repeat_interleave(8, 0), x[4:].repeat(4, 1, 1, 1)).view(4, 8).numpy()
    assert np.array_equal(found.index, np.argsort(direct, axis=1)[:, :2])
    assert np.allclose(found.distance, np.sort(direct, axis=1)[:, :2], atol=1e-5)


def test_an_embedding_of_ones_own(rng: np.random.Generator) -> None:
    means = Embedding(
        lambda images: images.reshape(len(images), -1).mean(axis=1, keepdims=True).astype(np.float32),
        lambda shape: 1, 1.0, False, "difference of mean values",
    )  # fmt: skip
    images = rng.integers(0, 256, (30, 1, 4, 4), dtype=np.uint8)
    level = images.reshape(30, -1).mean(axis=1)
    found = nearest_neighbors(embed(images[:10], means), embed(images[10:], means), 1)
    assert np.allclose(found.nearest, np.abs(level[:10, None] - level[10:]).min(axis=1), atol=1e-4)
    pairs = set()
    for i, j in radius_pairs(embed(images, means), 0.5):
        pairs |= {(int(a), int(b)) for a, b in zip(i, j, strict=True) if a < b}
    close = np.abs(level[:, None] - level) <= 0.5
    assert pairs == {(i, j) for i in range(30) for j in range(i + 1, 30) if close[i, j]}


@pytest.mark.parametrize(
    ("images", "metric", "message"),
    [
        (np.zeros((0, 3)), None, r"at least one image, as an array \(N, ...\), got an array of shape \(0, 3\)"),
        (np.zeros(4), None, "at least one image"),
        (np.array([[0.0, np.nan]]), None, "NaN or infinite"),
        (np.array([[1e300, 0.0]]), None, "NaN or infinite"),
        (np.array([["a", "b"]]), None, "expected real numbers"),
        (np.full((2, 4), 1e19), None, "squares overflow"),
        (np.zeros((2, 0)), None, "at least one image"),
        (np.zeros((2, 1, 4, 4)), "pixels", "expected images as a uint8 array"),
        (np.zeros((2, 4, 4), np.uint8), "stlpips-alex", "expected images as a uint8 array"),
        (np.full((2, 1, 4, 4), 9, np.uint8), "ssim", "no metric 'ssim'; known: values, pixels, lpips-alex"),
        (np.ones((2, 3, 4, 4), np.float32), None, "may hold images: state the values that mean black and white"),
        (np.ones((2, 1, 4, 4), np.uint8), None, "uint8 and no value exceeds 1, although 255 means white"),
    ],
)
def test_what_cannot_be_compared_is_refused(images: np.ndarray, metric: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        embed(images, metric)


def test_sets_of_two_metrics_are_refused(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (4, 1, 4, 4), dtype=np.uint8)
    with pytest.raises(ValueError, match="cannot be compared with"):
        nearest_neighbors(embed(images), embed(images, "values"), 1)
    with pytest.raises(ValueError, match="k = 0"):
        nearest_neighbors(embed(images), embed(images), 0)
    with pytest.raises(ValueError, match=r"expected a set from neighbors.embed, got ndarray"):
        inspect.unwrap(nearest_neighbors)(images, embed(images), 1)  # as outside the tests, where types are not checked
    for metric in ("stlpips-alex", "pixels", "values"):
        with pytest.raises(ValueError, match="backbone: "):
            embed(images, metric, backbone="x.pth")
