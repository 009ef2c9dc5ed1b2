"""Exact neighbours and the radius graph, against brute force, with duplicates planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from amdiff.neighbors.embeddings import Embedding
from amdiff.neighbors.knn import NeighborTable, nearest_neighbors
from amdiff.neighbors.pixels import PIXELS
from amdiff.neighbors.radius import radius_pairs
from amdiff.neighbors.sets import ArraySource, DistinctSet
from amdiff.neighbors.vectors import Vectors

by_each = pytest.mark.parametrize("device", ["cpu", "cpu:0", *["cuda"] * torch.cuda.is_available()])
"""FAISS, and PyTorch's search that a GPU does, on the CPU too."""

SQUARED = Embedding(PIXELS.vectors, PIXELS.dimension, (2 / 255) ** 2, True, "a squared distance, as LPIPS is one")


def distinct(images: np.ndarray, block: int = 4096) -> DistinctSet:
    return DistinctSet.of(ArraySource(images), block)


def vectors(images: np.ndarray, embedding: Embedding = PIXELS, block: int = 4096) -> Vectors:
    return Vectors(distinct(images, block), embedding)


def planted(rng: np.random.Generator, count: int) -> np.ndarray:
    """Images with a large group of duplicates, pairs of them, and near duplicates."""
    images = rng.integers(0, 256, (count, 2, 4, 4), dtype=np.uint8)
    images[40:80] = images[3]
    images[count - 1] = images[5]
    images[count - 2] = images[5]
    images[count - 2, 0, 0, 0] ^= 1
    return images


def brute_force(x: np.ndarray, y: np.ndarray, k: int, exclude_self: bool) -> tuple[np.ndarray, np.ndarray]:
    a, b = (z.reshape(len(z), -1).astype(np.int64) for z in (x, y))
    squares = ((a[:, None] - b[None]) ** 2).sum(2)
    if exclude_self:
        np.fill_diagonal(squares, np.iinfo(np.int64).max)
    order = np.lexsort((np.broadcast_to(np.arange(len(b)), squares.shape), squares), axis=1)[:, :k]
    return order, np.sqrt(np.take_along_axis(squares, order, axis=1)) * (2 / 255)


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a block takes several."""
    monkeypatch.setattr("amdiff.neighbors.blocks.TILE", 1000)


@by_each
@pytest.mark.parametrize("repeated", [False, True])
def test_a_database_of_fewer_images_than_neighbours(rng: np.random.Generator, device: str, repeated: bool) -> None:
    """Whether queries have equals in it or not, what is missing is at infinity."""
    train, samples = rng.integers(0, 256, (3, 2, 4, 4), dtype=np.uint8), planted(rng, 100)
    samples[7] = train[1]
    if repeated:
        train[2] = train[0]
    found = nearest_neighbors(vectors(samples), vectors(train), 5, device=device)
    index, distance = brute_force(samples, train, 5, exclude_self=False)
    assert np.array_equal(found.index[:, :3], index)
    assert np.allclose(found.distance[:, :3], distance)
    assert (found.index[:, 3:] == -1).all()
    assert np.isinf(found.distance[:, 3:]).all()


@by_each
@pytest.mark.parametrize(("k", "memory"), [(1, 1024), (1, 0.05), (5, 1024), (5, 0.05), (200, 1024)])
def test_neighbors_are_those_of_brute_force(rng: np.random.Generator, memory: float, k: int, device: str) -> None:
    samples, train = planted(rng, 300), planted(rng, 150)
    train[17] = samples[200]
    synthetic, real = vectors(samples, block=7), vectors(train)
    for database, images in ((real, train), (synthetic, samples)):
        found = nearest_neighbors(synthetic, database, k, memory_mb=memory, device=device)
        index, distance = brute_force(samples, images, k, database is synthetic)
        there = index.shape[1]
        assert np.array_equal(found.index[:, :there], index)
        assert np.allclose(found.distance[:, :there], distance, rtol=1e-14, atol=0)
        assert (found.index[:, there:] == -1).all()


def test_itself_is_excluded_by_number_with_exact_duplicates_present(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (60, 1, 4, 4), dtype=np.uint8)
    images[[7, 30, 44]] = images[2]
    found = nearest_neighbors(s := vectors(images), s, 3)
    group = {2, 7, 30, 44}
    for i in group:
        assert set(found.index[i]) == group - {i}
        assert (found.distance[i] == 0).all()
    assert (found.index != np.arange(60)[:, None]).all()


def test_the_same_images_in_another_set_are_found_at_distance_zero(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (50, 3, 8, 8), dtype=np.uint8)
    found = nearest_neighbors(vectors(images), vectors(images[::-1].copy()), 2)
    assert np.array_equal(found.index[:, 0], np.arange(50)[::-1])
    assert (found.distance[:, 0] == 0).all()


def test_byte_equal_images_have_distance_zero_whatever_the_embedding(rng: np.random.Generator) -> None:
    calls = iter(range(10**6))

    def noisy(images: np.ndarray) -> np.ndarray:
        """The same image embedded in another batch differs by a little, as a network's output does."""
        return images.reshape(len(images), -1).astype(np.float32) + np.float32(1e-3 * next(calls))

    embedding = Embedding(noisy, PIXELS.dimension, 1.0, True, "noisy")
    images = rng.integers(0, 256, (30, 1, 4, 4), dtype=np.uint8)
    found = nearest_neighbors(vectors(images, embedding), vectors(images.copy(), embedding), 2)
    assert (found.distance[:, 0] == 0).all()
    assert (found.distance[:, 1] > 0).all()


@by_each
def test_near_duplicates_are_told_apart_where_float32_norms_cannot(device: str) -> None:
    """Bright images that differ by one level in one pixel: the expanded norm loses this, float64 does not."""
    images = np.full((40, 1, 32, 32), 255, np.uint8)
    for i in range(40):
        images[i, 0, i % 32, i % 7] = 254 - i % 3
    s = vectors(images)
    found = nearest_neighbors(s, s, 5, device=device)
    _, distance = brute_force(images, images, 5, True)
    assert np.allclose(found.distance, distance, rtol=1e-12)
    assert not np.isnan(found.distance).any()
    assert (found.distance > 0).all()


@by_each
@pytest.mark.parametrize("memory", [1024, 0.5])
def test_many_near_copies_of_a_few_images(rng: np.random.Generator, memory: float, device: str) -> None:
    """More images within float32 rounding of each other than there are candidates: found all the same."""
    memories = rng.integers(0, 2, (4, 3, 16, 16), dtype=np.uint8) * 255
    images = np.repeat(memories, 60, axis=0)
    for image in images:
        flat = image.reshape(-1)
        pixels = rng.choice(flat.size, 8, replace=False)
        flat[pixels] = np.abs(flat[pixels].astype(int) - 1)
    s = vectors(images)
    found = nearest_neighbors(s, s, 5, memory_mb=memory, device=device)
    index, distance = brute_force(images, images, 5, True)
    assert np.allclose(found.distance, distance, rtol=1e-12)
    assert np.array_equal(found.index, index)


def test_too_few_neighbors_are_marked(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (3, 1, 2, 2), dtype=np.uint8)
    s = vectors(images)
    found = nearest_neighbors(s, s, 5)
    assert (found.index[:, 2:] == -1).all()
    assert np.isinf(found.distance[:, 2:]).all()
    assert np.isfinite(found.distance[:, :2]).all()
    assert (nearest_neighbors(s, vectors(images[:1]), 2).index[:, 1] == -1).all()


def test_a_squared_metric_is_the_square(rng: np.random.Generator) -> None:
    images = planted(rng, 100)
    root, square = (nearest_neighbors(s := vectors(images, e), s, 4) for e in (PIXELS, SQUARED))
    assert np.array_equal(root.index, square.index)
    assert np.allclose(root.distance**2, square.distance)


def test_shapes_must_agree(rng: np.random.Generator) -> None:
    a, b = (vectors(rng.integers(0, 256, (3, 1, n, n), dtype=np.uint8)) for n in (2, 3))
    with pytest.raises(ValueError, match="cannot be compared"):
        nearest_neighbors(a, b, 1)


@by_each
@pytest.mark.parametrize("memory", [1024, 0.05])
@pytest.mark.parametrize("embedding", [PIXELS, SQUARED], ids=["root", "squared"])
@pytest.mark.parametrize("quantile", [0.01, 0.03, 0.04])
def test_the_radius_graph_has_the_components_of_brute_force(
    rng: np.random.Generator, memory: float, embedding: Embedding, quantile: float, device: str
) -> None:
    images = planted(rng, 250)
    _, distance = brute_force(images, images, 249, True)
    # a radius that some pair has exactly: pairs at the radius belong to the graph
    radius = float(embedding.distance(np.array((np.quantile(distance, quantile, method="lower") / (2 / 255)) ** 2)))
    flat = images.reshape(250, -1).astype(np.int64)
    squares = ((flat[:, None] - flat[None]) ** 2).sum(2)
    _, expected = connected_components(embedding.distance(squares.astype(float)) <= radius)
    pairs = radius_pairs(vectors(images, embedding), radius, memory_mb=memory, device=device)
    i, j = map(np.concatenate, zip(*pairs, strict=True))
    assert (embedding.distance(squares[i, j].astype(float)) <= radius).all()
    _, found = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(250, 250)))
    assert np.array_equal(expected, found)
    assert 1 < len(set(found)) < 250


def test_distinct_sets_know_their_duplicates(rng: np.random.Generator) -> None:
    images = planted(rng, 120)
    s = distinct(images, block=11)
    assert len(s.first) == len(np.unique(images.reshape(120, -1), axis=0))
    for number, members in enumerate(s.members):
        assert (s.group[members] == number).all()
        assert s.first[number] == members[0]
        assert (images[members] == images[members[0]]).all()


def test_tables_are_typed() -> None:
    table = NeighborTable(np.array([[1, 0]]), np.array([[0.5, np.inf]]))
    assert table.nearest.tolist() == [0.5]
