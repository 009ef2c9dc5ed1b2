"""Check that a model resolves the noise at a level, before a dimension is read off its score there.

A model that is wrong at a small noise level has a flat score there, and every direction seems to lie on the manifold.
Directions in which the data do not vary tell: across them only the noise matters, so the score must contract fully.
These are pixels with one value in all images. If there are none, they are directions in which the data vary far less
than the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from amdiff.diffusion.denoisers import Denoiser
from amdiff.diffusion.processes import Schedule

from .inputs import floating, index_of_time

MOST_DIRECTIONS = 32
"""Largest number of directions that are tried at one noise level."""
MOST_DIMENSIONS = 4096
"""The covariance of images with more values than this is not computed."""
NARROW = 0.01
"""Largest variance of the data along a direction without data, in units of the noise's variance."""

Blocks = Callable[[], Iterator[UInt8[np.ndarray, "n ..."]]]


def still_directions(blocks: Blocks, sigmas: Float64[np.ndarray, " t"]) -> list[Float64[np.ndarray, "m d"]]:
    """Find directions in which the data do not vary, for each noise level.

    Parameters
    ----------
    blocks
        Returns the pool of images as blocks of uint8 (n, C, H, W), each time it is called.
    sigmas
        Standard deviation of the noise at each level, for images in [-1, 1].

    Returns
    -------
    list
        Orthonormal directions (m, d) for each level, with m up to 32. They are pixels with one value in all images, or
        directions in which the variance is below a hundredth of that of the noise. m is 0 where there are none, and
        where they are not looked for: with more than 4,096 values or fewer than twice as many images.
    """
    low, high, count = None, None, 0
    for block in blocks():
        flat = block.reshape(len(block), -1)
        count += len(flat)
        low = flat.min(axis=0) if low is None else np.minimum(low, flat.min(axis=0))
        high = flat.max(axis=0) if high is None else np.maximum(high, flat.max(axis=0))
    assert low is not None
    still = np.flatnonzero(low == high)
    d = len(low)
    if len(still):
        chosen = _spread(still)
        pixels = np.zeros((len(chosen), d))
        pixels[np.arange(len(chosen)), chosen] = 1
        return [pixels] * len(sigmas)
    if d > MOST_DIMENSIONS or count < 2 * d:  # a small pool has narrow directions by chance
        return [np.empty((0, d))] * len(sigmas)
    variances, axes = np.linalg.eigh(_covariance(blocks, d))
    return [axes[:, _spread(np.flatnonzero(variances <= NARROW * sigma**2))].T for sigma in sigmas]


def _spread(numbers: np.ndarray) -> np.ndarray:
    """At most 32 of the numbers, evenly spaced."""
    return numbers[np.unique(np.linspace(0, len(numbers) - 1, min(len(numbers), MOST_DIRECTIONS)).round().astype(int))]


def _covariance(blocks: Blocks, d: int) -> Float64[np.ndarray, "d d"]:
    """The covariance of all images in [-1, 1]."""
    count, total, products = 0, np.zeros(d), np.zeros((d, d))
    for block in blocks():
        flat = block.reshape(len(block), -1) / 127.5 - 1
        count, total = count + len(flat), total + flat.sum(axis=0)
        products += flat.T @ flat
    mean = total / count
    return products / count - np.outer(mean, mean)


@torch.inference_mode()
def contraction(
    denoiser: Denoiser,
    images: Float[Tensor, "n ..."],
    directions: Float[Tensor, "m d"],
    time: int,
    schedule: Schedule,
    *,
    batch: int = 4096,
) -> Float64[Tensor, " n"]:
    """Return how strongly the score contracts along directions, around each image; the mean over the directions.

    It is the central difference of ``-sigma^2 score`` along a direction, over steps of sigma: 1 across the data's
    manifold, 0 along it.

    Parameters
    ----------
    denoiser
        Predicts the noise in x at times t.
    images
        Images (n, *shape) in [-1, 1], as floating-point numbers.
    directions
        Unit vectors (m, d), at least one.
    time
        Index of the noise level, 0 to T-1.
    schedule
        The noise levels of the denoiser.
    batch
        Number of images that pass the denoiser together. Default 4096.

    Raises
    ------
    ValueError
        Where images are not floating-point numbers, or the time is outside the schedule.
    """
    floating(images)
    index_of_time(time, schedule)
    signal, sigma = float(schedule.alpha_bar[time] ** 0.5), float(schedule.sigma[time])
    centre = signal * images.flatten(1)
    steps = sigma * directions.to(images)
    total = torch.zeros(len(images), dtype=torch.float64, device=images.device)
    for step in steps:
        points = torch.cat([centre + step, centre - step]).reshape(-1, *images.shape[1:])
        times = torch.full((len(points),), time, dtype=torch.int64, device=images.device)
        parts = [denoiser(x, t) for x, t in zip(points.split(batch), times.split(batch), strict=True)]
        above, below = torch.cat(parts).flatten(1).double().chunk(2)
        total += (above - below) @ step.double() / (2 * sigma)
    return total / len(steps)
