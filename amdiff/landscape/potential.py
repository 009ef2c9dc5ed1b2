"""Relative energy along a path between two images (section 4.3, appendix E).

The drift of the reverse of the VP process ``dx = -1/2 beta x dt + sqrt(beta) dW`` has a potential u,

    grad u(x, t) = -1/2 beta_t x - beta_t s(x, t)    (eq. 44)

The path from a target x1 to a reference x2 is ``x(a) = cos(a) x1 + sin(a) x2`` for a from 0 to pi/2 (eq. 45). With
``v = dx/da``, the relative energy is

    U(x1) = u(x1) - u(x2) = - integral grad u(x(a)) . v da    (eq. 46-47)

It is integrated by the trapezoid rule. A lower energy means that the target lies deeper. For an exact score
``u = -beta/4 |x|^2 - beta log p(x, t)``.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from amdiff.diffusion.denoisers import Denoiser
from amdiff.diffusion.processes import Schedule
from amdiff.errors import AmdiffError

from .inputs import floating, index_of_time


@torch.inference_mode()
def relative_energy(
    denoiser: Denoiser,
    images: Float[Tensor, "n ..."],
    references: Float[Tensor, "r ..."],
    schedule: Schedule,
    *,
    time: int = 0,
    points: int = 20,
    batch: int = 4096,
) -> Float64[Tensor, "n r"]:
    """Return the relative energy U of each image against each reference (section 4.3, eq. 44-47).

    A lower energy means that the image lies deeper.

    Parameters
    ----------
    denoiser
        Predicts the noise in x at times t.
    images
        Images (n, *shape) in [-1, 1], as floating-point numbers.
    references
        Images (r, *shape) in [-1, 1], against which the energy is measured.
    schedule
        The noise levels of the denoiser.
    time
        Index of the noise level, 0 to T-1. Default 0.
    points
        Number of points on the path from an image to a reference; at least two. Default 20.
    batch
        Number of images that pass the denoiser together. Default 4096.

    Returns
    -------
    Tensor
        Energies (n, r), float64.

    Raises
    ------
    ValueError
        Where there are fewer than two points, images are not floating-point numbers, or the time is outside the
        schedule.
    """
    floating(images)
    floating(references)
    index_of_time(time, schedule)
    if points < 2:
        raise AmdiffError(f"a path needs at least its two end points, got {points}")
    angles = torch.linspace(0, torch.pi / 2, points, dtype=torch.float64, device=images.device)
    x1, x2 = images.flatten(1).double(), references.flatten(1).double()
    out = torch.empty(len(x1), len(x2), dtype=torch.float64, device=images.device)
    together = max(1, batch // points)
    for j in range(len(x2)):
        for start in range(0, len(x1), together):
            here = x1[start : start + together, None]
            along = torch.cos(angles)[:, None] * here + torch.sin(angles)[:, None] * x2[j]
            velocity = torch.cos(angles)[:, None] * x2[j] - torch.sin(angles)[:, None] * here
            slope = (_gradient(denoiser, along, time, schedule, images) * velocity).sum(2)
            out[start : start + together, j] = -torch.trapezoid(slope, angles, dim=1)
    return out


def _gradient(denoiser: Denoiser, x: Tensor, time: int, schedule: Schedule, like: Tensor) -> Tensor:
    """Return grad u at points (n, points, d)."""
    flat = x.reshape(-1, *like.shape[1:]).to(like.dtype)
    eps = denoiser(flat, torch.full((len(flat),), time, dtype=torch.int64, device=flat.device))
    score = -eps.double().reshape(x.shape) / float(schedule.sigma[time])
    beta = float(schedule.betas[time])
    return -0.5 * beta * x - beta * score
