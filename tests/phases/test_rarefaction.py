"""Shares of a smaller synthetic set: exact, unbiased, and with intervals that cover."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from amdiff.errors import AmdiffError
from amdiff.neighbors import embed, nearest_neighbors
from amdiff.neighbors.radius import RadiusCounts, distinct_pairs
from amdiff.neighbors.vectors import Vectors
from amdiff.phases import Threshold, classify, fractions
from amdiff.phases.distances import AtSize, Pair
from amdiff.phases.near_copies import near_copies
from amdiff.phases.rarefaction import curve, lone, parts_of, recurrent_estimate, recurrent_share
from amdiff.phases.set_shares import left_out_thresholds, radii_for, set_shares

RADIUS = 0.1


def counted(images: np.ndarray, *radii: float, memory_mb: float = 1) -> tuple[Vectors, RadiusCounts]:
    vectors = embed(images, "pixels")
    counts = RadiusCounts(vectors.images, radii, parts_of(len(images)))
    for block in distinct_pairs(vectors, max(radii), memory_mb=memory_mb):
        counts.add(*block)
    return vectors, counts


def draw(rng: np.random.Generator, n: int) -> np.ndarray:
    """A half of the images lie around a few centres, so that they recur."""
    centres = np.random.default_rng(0).uniform(0, 255, (30, 1, 2, 2))
    near = centres[rng.integers(0, 30, n)] + rng.normal(0, 3, (n, 1, 2, 2))
    images = np.where(rng.random((n, 1, 1, 1)) < 0.5, near, rng.uniform(0, 255, (n, 1, 2, 2)))
    return np.clip(images, 0, 255).round().astype(np.uint8)


def adjacency(images: np.ndarray, radius: float) -> np.ndarray:
    flat = images.reshape(len(images), -1) / 127.5
    near = np.linalg.norm(flat[:, None] - flat[None], axis=2) <= radius
    return near & ~np.eye(len(images), dtype=bool)


def test_neighbours_are_counted(rng: np.random.Generator) -> None:
    images = draw(rng, 300)
    images[5:9] = images[0]  # byte-equal images are neighbours too
    _, counts = counted(images, RADIUS, 2 * RADIUS)
    for radius in (RADIUS, 2 * RADIUS):
        assert (counts.within(radius) == adjacency(images, radius).sum(axis=1)).all()
    parts = counts.parts_given
    within = np.stack([adjacency(images, RADIUS)[:, parts == p].sum(axis=1) for p in range(100)], axis=1)
    assert (counts.within_parts() == within).all()
    assert np.ptp(np.bincount(parts)) == 0


def test_the_mean_over_all_subsets_is_exact(rng: np.random.Generator) -> None:
    images = draw(rng, 9)
    images[3:6] = images[0]
    near, memorized = adjacency(images, RADIUS), np.arange(9) == 4
    for size in (1, 2, 5, 9):
        subsets = [np.array(subset) for subset in itertools.combinations(range(9), size)]
        shares = [(near[np.ix_(s, s)].any(axis=1) & ~memorized[s]).mean() for s in subsets]
        assert recurrent_share(~memorized, near.sum(axis=1), size) == pytest.approx(np.mean(shares), abs=1e-12)
    assert curve(~memorized, near.sum(axis=1), [5, 20]) == {
        size: recurrent_share(~memorized, near.sum(axis=1), size) for size in (5, 9)
    }


@pytest.mark.parametrize("recurs", [True, False])
def test_rounding_leaves_no_share_outside_its_range(recurs: bool) -> None:
    """All 97 counted samples of 1,011 recur, or none does: the other share is exactly 0."""
    counted = np.arange(1011) < 97
    neighbours = np.full(1011, 900 if recurs else 0)
    parts = parts_of(1011)
    within = np.zeros((1011, 100), np.int64)
    within[:, 0] = neighbours
    found = recurrent_estimate(counted, neighbours, within, parts, 768)
    assert found[0].value + found[1].value == pytest.approx(97 / 1011)
    assert found[1 if recurs else 0].value == 0
    assert all(0 <= e.low <= e.value <= e.high <= 1 for e in found)
    every = np.arange(1011)
    assert (lone(every, 1011, 768) <= 1).all()
    assert lone(every, 1011, 1).tolist() == [1.0] * 1011


def test_rarefied_shares_are_those_of_direct_sets_and_are_covered() -> None:
    """1,000 sets of 64 samples have on average the share that is found from 1,000 sets of 256 samples."""
    rng = np.random.default_rng(5)
    direct = [float(adjacency(draw(rng, 64), RADIUS).any(axis=1).mean()) for _ in range(1000)]
    found = []
    for _ in range(1000):
        images = draw(rng, 256)
        near, parts = adjacency(images, RADIUS), parts_of(256)
        within = np.stack([near[:, parts == p].sum(axis=1) for p in range(100)], axis=1)
        found.append(recurrent_estimate(np.ones(256, bool), near.sum(axis=1), within, parts, 64)[0])
    value, low, high = np.array(found).T
    error = np.hypot(np.std(direct), np.std(value)) / 1000**0.5
    assert abs(value.mean() - np.mean(direct)) < 3 * error
    assert 0.93 <= np.mean((low <= np.mean(direct)) & (np.mean(direct) <= high)) <= 0.98


def test_a_set_of_all_samples_has_the_usual_shares(rng: np.random.Generator) -> None:
    train, images = draw(rng, 20), draw(rng, 200)
    vectors, counts = counted(images, RADIUS)
    to_train = nearest_neighbors(vectors, embed(train, "pixels"), 2)
    to_samples = nearest_neighbors(vectors, vectors, 2)
    m, s = (Threshold(v, 0.8 * v, 1.2 * v, "fixed") for v in (0.2, RADIUS))
    pair = Pair(m, s)
    assert radii_for(pair, 200, 200) == (RADIUS,)
    classes = classify(to_train.nearest, to_samples.nearest, 0.2, RADIUS)
    whole = fractions(classes, to_samples.index, to_samples.distance, RADIUS)
    near = to_train.nearest < 0.5
    found = set_shares(whole, to_train.nearest, to_samples.nearest, counts, pair, 200, near)
    assert found.given == whole
    assert found.near is not None
    assert found.new is not None
    assert found.near.value + found.new.value == pytest.approx(whole.spurious.value)
    assert found.near.value == np.mean((classes == 1) & near)
    # and that of a smaller set has fewer spurious samples, with an interval that includes the ranges of the thresholds
    vectors, counts = counted(images, *radii_for(pair, 200, 50))
    small = set_shares(whole, to_train.nearest, to_samples.nearest, counts, pair, 50, near)
    assert small.fractions.spurious.value < whole.spurious.value
    assert small.fractions.memorized.value == whole.memorized.value
    assert sum(small.fractions[n].value for n in ("memorized", "spurious", "generalized")) == pytest.approx(1)
    assert small.fractions.spurious.low < small.given.spurious.low
    assert small.fractions.spurious.high > small.given.spurious.high


def test_shares_with_one_size_left_out(rng: np.random.Generator) -> None:
    def threshold(value: float, without: float | None) -> Threshold:
        sizes = (AtSize(8, 0.5, False, 0.3), AtSize(16, 0.5, False, without))
        return Threshold(value, value, 0.4, "valley", sizes=sizes)

    pair = Pair(threshold(0.2, None), threshold(RADIUS, 0.2))
    assert left_out_thresholds(pair) == {8: (0.3, 0.3)}
    narrow = Pair(pair.delta_m, Threshold(RADIUS, RADIUS, 0.25, "valley", sizes=pair.delta_s.sizes))
    assert left_out_thresholds(narrow) == {}  # 0.3 is outside the range of delta_s
    images = draw(rng, 200)
    _, counts = counted(images, *radii_for(pair, 200, 40))
    distances = np.full(200, 0.25), adjacency(images, RADIUS).any(axis=1) * 1.0
    whole = fractions(np.full(200, 2, np.int8), np.zeros((200, 2), np.int64), np.ones((200, 2)), RADIUS)
    found = set_shares(whole, *distances, counts, pair, 40)
    assert found.left_out == {8: 0.0}  # at delta_m = 0.3 all samples are memorized
    assert found.near is None


def test_near_copies_are_nearer_than_held_out_images() -> None:
    heldout = np.linspace(1, 2, 200)
    found = near_copies(np.array([0.5, 0.99, 1.003, 1.5]), heldout)
    assert found is not None
    assert found.nearest == 1
    assert found.than_all.value == 0.5
    assert found.than_most.value == 0.75
    assert found.where(np.array([0.99, 1.0])).tolist() == [True, False]
    rng = np.random.default_rng(0)
    same = [near_copies(rng.gamma(9, size=500), rng.gamma(9, size=1000)) for _ in range(50)]
    assert np.mean([f.than_most.value for f in same if f]) == pytest.approx(0.01, abs=0.004)
    assert near_copies(np.ones(5), heldout[:19]) is None
    assert near_copies(np.ones(0), heldout) is None


def test_impossible_subsets_are_refused() -> None:
    for size in (0, 6):
        with pytest.raises(AmdiffError, match=f"expected a subset of 1 to 5 samples, got {size}"):
            lone(np.array([0]), 5, size)
    with pytest.raises(AmdiffError, match="give 'parts'"):
        _ = RadiusCounts(embed(np.full((3, 1, 2, 2), 9, np.uint8), "pixels").images, (1.0,)).parts_given
