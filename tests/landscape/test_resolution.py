"""Dimensions are told only at noise levels that a model resolves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from amdiff.config import DiffusionSpec
from amdiff.diffusion.exact import FiniteSet, Gaussian
from amdiff.diffusion.processes import Schedule
from amdiff.figures.curvature import unresolved
from amdiff.landscape.curvature import score_spectra
from amdiff.landscape.findings import DimensionFinding, dimension_finding
from amdiff.landscape.resolution import contraction, still_directions
from amdiff.landscape.spectra import normalisation
from amdiff.phases import Estimate

SCHEDULE = Schedule.of(DiffusionSpec())
TIME = 15
SIGMA = float(SCHEDULE.sigma[TIME])


def blocks(images: np.ndarray) -> Iterator[np.ndarray]:
    yield images[:7]
    yield images[7:]


def test_still_pixels_are_found(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (50, 1, 3, 3), dtype=np.uint8)
    images[:, 0, 0, 0], images[:, 0, 2, 1] = 9, 255
    (directions,) = still_directions(lambda: blocks(images), np.array([SIGMA]))
    assert directions.nonzero()[1].tolist() == [0, 7]
    assert np.allclose(directions @ directions.T, np.eye(2))
    wide = np.zeros((30, 1, 8, 8), np.uint8)
    assert len(still_directions(lambda: blocks(wide), np.array([SIGMA]))[0]) == 32


def test_narrow_directions_replace_still_pixels(rng: np.random.Generator) -> None:
    """All pixels vary, but their sum hardly does; at a level with little noise that is still too much."""
    base = rng.integers(20, 230, (400, 1, 1, 2))
    images = np.concatenate([base, 255 - base], axis=3).astype(np.uint8)
    images[::2, 0, 0, 0] += 1
    narrow, none = still_directions(lambda: blocks(images), np.array([0.1, 1e-4]))
    assert len(narrow) == 2
    assert np.allclose(np.abs(narrow @ np.array([1, 0, -1, 0])), 0, atol=0.05)
    assert len(none) < 2


@pytest.mark.parametrize("k", [0, 3, 7])
def test_a_gaussian_in_k_of_d_dimensions_gives_k(k: int) -> None:
    """Its field is exact, so the level is resolved and the dimension is right."""
    covariance = torch.zeros(9, 9, dtype=torch.float64)
    covariance[range(k), range(k)] = 0.3
    model = Gaussian(torch.zeros(1, 3, 3, dtype=torch.float64), covariance, SCHEDULE)
    images = torch.zeros(4, 1, 3, 3, dtype=torch.float64)
    still = torch.eye(9, dtype=torch.float64)[k:]
    told = contraction(model, images, still, TIME, SCHEDULE).numpy()
    assert np.allclose(told, 1, atol=1e-6)
    raw = score_spectra(model, images, TIME, SCHEDULE).numpy()
    found = dimension_finding(
        raw / normalisation(SIGMA, 9, 1 / 9),
        np.arange(4),
        sigma=SIGMA,
        threshold=0.5,
        confidence=0.95,
        contraction=told,
    )
    assert found.resolved
    assert found.by_threshold.value == k
    assert found.by_gap.value == k


def test_a_finite_set_resolves_and_a_flat_model_does_not(rng: np.random.Generator) -> None:
    memories = torch.from_numpy(rng.uniform(-1, 1, (6, 1, 3, 3)))
    memories[:, 0, 0, 0] = -1
    still = torch.eye(9, dtype=torch.float64)[:1]
    exact = contraction(FiniteSet(memories, SCHEDULE), memories, still, TIME, SCHEDULE)
    assert torch.allclose(exact, torch.ones(6, dtype=torch.float64), atol=1e-9)
    null = contraction(lambda x, t: torch.zeros_like(x), memories, still, TIME, SCHEDULE)
    assert (null == 0).all()
    half = contraction(lambda x, t: 0.5 * x / SIGMA, memories, still, TIME, SCHEDULE, batch=4)
    assert torch.allclose(half, torch.full((6,), 0.5, dtype=torch.float64))


def test_some_targets_that_do_not_contract_are_enough() -> None:
    found = dimension_finding(
        np.ones((10, 4)), np.arange(10), sigma=0.5, threshold=0.5, confidence=0.95,
        contraction=np.array([0.1] * 5 + [1.8] * 5),
    )  # fmt: skip
    assert found.contraction == pytest.approx(0.95)
    assert not found.resolved


def finding(contraction: float | None) -> DimensionFinding:
    return DimensionFinding(5, Estimate(1, 0, 2), Estimate(1, 0, 2), contraction, contraction)


def test_what_is_not_resolved_is_said() -> None:
    assert finding(0.95).resolved
    assert not finding(0.85).resolved
    assert not finding(None).resolved
    assert unresolved({2: {"train": {16: finding(1.0)}}}) == []
    (said,) = unresolved({2: {"train": {16: finding(0.99), 512: finding(0.12)}, "generalized": {512: finding(0.5)}}})
    assert "At t = 2 the model does not resolve the noise at K = 512" in said
    assert "contracts to at most 0.12" in said
    (said,) = unresolved({2: {"train": {16: finding(None)}}})
    assert "no direction is known in which the data do not vary" in said
