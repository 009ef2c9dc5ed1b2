"""Relative energy along a path between two images (section 4.3, appendix E).

The reverse of the VP process ``dx = -1/2 beta x dt + sqrt(beta) dW`` has a drift with the potential u,

    grad u(x, t) = -1/2 beta_t x - beta_t s(x, t)    (eq. 44)

From a target x1 to a reference x2 leads ``x(a) = cos(a) x1 + sin(a) x2``, ``v = dx/da``, a from 0 to pi/2 (eq. 45), and

    U(x1) = u(x1) - u(x2) = - integral grad u(x(a)) . v da    (eq. 46-47)

by the trapezoid rule. Lower is deeper. For an exact score ``u = -beta/4 |x|^2 - beta log p(x, t)``.
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
    """U of each image against each reference, all in [-1, 1], at the time of index ``time``.

    ``batch`` images pass the denoiser together. Raises ``ValueError`` for fewer than two points, images that
    are no floating-point numbers, and a time outside the schedule.
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
    """grad u at points (n, points, d)."""
    flat = x.reshape(-1, *like.shape[1:]).to(like.dtype)
    eps = denoiser(flat, torch.full((len(flat),), time, dtype=torch.int64, device=flat.device))
    score = -eps.double().reshape(x.shape) / float(schedule.sigma[time])
    beta = float(schedule.betas[time])
    return -0.5 * beta * x - beta * score
