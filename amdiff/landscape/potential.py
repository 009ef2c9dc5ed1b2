"""Relative energy along a path between two images (section 4.3, appendix E).

The drift of the reverse of the VP process ``dx = -1/2 beta x dt + sqrt(beta) dW`` has a potential u,

    grad u(x, t) = -1/2 beta_t x - beta_t s(x, t)    (eq. 44)

The path from a target x1 to a reference x2 is circular, ``x(a) = cos(a) x1 + sin(a) x2`` for a from 0 to pi/2 (eq.
45), or straight, ``x(a) = (1 - a) x1 + a x2`` for a from 0 to 1. With ``v = dx/da``, the relative energy is

    U(x1) = u(x1) - u(x2) = - integral grad u(x(a)) . v da    (eq. 46-47)

It is integrated by the trapezoid rule. A lower energy means that the target lies deeper. For an exact score
``u = -beta/4 |x|^2 - beta log p(x, t)``.

A network's field need not be a gradient. Then there is no potential, and U depends on the path. Both paths tell how
much, and so does the antisymmetric part of the field's Jacobian, which is 0 for a gradient.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from amdiff.diffusion.denoisers import Denoiser
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import SampleNoise
from amdiff.errors import AmdiffError

from .findings import Path
from .inputs import floating, index_of_time


def relative_energy(
    denoiser: Denoiser,
    images: Float[Tensor, "n ..."],
    references: Float[Tensor, "r ..."],
    schedule: Schedule,
    *,
    path: Path = "circular",
    time: int = 0,
    points: int = 51,
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
    path
        'circular' (the default, eq. 45) or 'straight'.
    time
        Index of the noise level, 0 to T-1. Default 0.
    points
        Number of points on the path from an image to a reference; at least three. Default 51; the paper's code takes
        20. At small noise a field is sharp, and needs many.
    batch
        Number of images that pass the denoiser together. Default 4096.

    Returns
    -------
    Tensor
        Energies (n, r), float64.

    Raises
    ------
    ValueError
        Where there are fewer than three points, images are not floating-point numbers, or the time is outside the
        schedule.
    """
    floating(images)
    floating(references)
    return path_energy(denoiser, images, references, schedule, path=path, time=time, points=points, batch=batch)[0]


@torch.inference_mode()
def path_energy(
    denoiser: Denoiser,
    images: Float[Tensor, "n ..."],
    references: Float[Tensor, "r ..."],
    schedule: Schedule,
    *,
    path: Path,
    time: int,
    points: int,
    batch: int,
) -> tuple[Float64[Tensor, "n r"], Float64[Tensor, "n r"]]:
    """Return the energies of ``relative_energy``, and what they change by with every second point of the path, (n, r).

    The change tells the error of the integration, which is about a third of it where the field is smooth. The
    parameters and errors are those of ``relative_energy``.
    """
    index_of_time(time, schedule)
    if points < 3:
        raise AmdiffError(f"a path needs its two end points and one between them, got {points}")
    end = torch.pi / 2 if path == "circular" else 1.0
    along = torch.linspace(0, end, points, dtype=torch.float64, device=images.device)
    if path == "circular":
        weights, slopes = (torch.cos(along), torch.sin(along)), (-torch.sin(along), torch.cos(along))
    else:
        weights, slopes = (1 - along, along), (-torch.ones_like(along), torch.ones_like(along))
    x1, x2 = images.flatten(1).double(), references.flatten(1).double()
    out, change = (torch.empty(len(x1), len(x2), dtype=torch.float64, device=images.device) for _ in range(2))
    coarse = torch.tensor(sorted({*range(0, points, 2), points - 1}), device=images.device)
    together = max(1, batch // points)
    for j in range(len(x2)):
        for start in range(0, len(x1), together):
            here = x1[start : start + together, None]
            at, velocity = (a[:, None] * here + b[:, None] * x2[j] for a, b in (weights, slopes))
            slope = (_gradient(denoiser, at, time, schedule, images) * velocity).sum(2)
            fine = -torch.trapezoid(slope, along, dim=1)
            out[start : start + together, j] = fine
            change[start : start + together, j] = fine + torch.trapezoid(slope[:, coarse], along[coarse], dim=1)
    return out, change


def _gradient(denoiser: Denoiser, x: Tensor, time: int, schedule: Schedule, like: Tensor) -> Tensor:
    """Return grad u at points (n, points, d)."""
    flat = x.reshape(-1, *like.shape[1:]).to(like.dtype)
    eps = denoiser(flat, torch.full((len(flat),), time, dtype=torch.int64, device=flat.device))
    score = -eps.double().reshape(x.shape) / float(schedule.sigma[time])
    beta = float(schedule.betas[time])
    return -0.5 * beta * x - beta * score


def asymmetry(
    denoiser: Denoiser,
    images: Float[Tensor, "n ..."],
    time: int,
    schedule: Schedule,
    noise: SampleNoise,
    *,
    probes: int = 8,
) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " n"]]:
    """Estimate the antisymmetric and the symmetric part of the Jacobian J of the predicted noise at each image.

    Returns the means of ``|(J - J^T) v|^2`` and of ``|(J + J^T) v|^2`` over random directions v, (n,) each. Their
    expectations are the squared Frobenius norms of both matrices (Hutchinson 1989). The first is 0 for a gradient.

    Parameters
    ----------
    denoiser
        Predicts the noise in x at times t; it can be differentiated twice.
    images
        Images (n, *shape) in [-1, 1], as floating-point numbers. The result is best in float64.
    time
        Index of the noise level, 0 to T-1.
    schedule
        The noise levels of the denoiser.
    noise
        One stream of noise for each image, from which directions are drawn.
    probes
        Number of directions. Default 8.

    Raises
    ------
    ValueError
        Where images are not floating-point numbers, or the time is outside the schedule.
    """
    floating(images)
    index_of_time(time, schedule)
    x = images.detach().requires_grad_()
    times = torch.full((len(images),), time, dtype=torch.int64, device=images.device)
    odd, even = (torch.zeros(len(images), dtype=torch.float64, device=images.device) for _ in range(2))
    with torch.enable_grad(), torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        out = denoiser(x, times)
        weight = torch.zeros_like(out).requires_grad_()
        (pulled,) = torch.autograd.grad(out, x, weight, create_graph=True)  # J^T w, which is linear in w
        for _ in range(probes):
            v = torch.from_numpy(noise(tuple(images.shape[1:]))).to(images)
            (pushed,) = torch.autograd.grad(pulled, weight, v, retain_graph=True)  # J v
            (back,) = torch.autograd.grad(out, x, v, retain_graph=True)  # J^T v
            pushed, back = pushed.flatten(1).double(), back.flatten(1).double()
            odd += (pushed - back).square().sum(1)
            even += (pushed + back).square().sum(1)
    return odd / probes, even / probes
