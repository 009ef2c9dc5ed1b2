"""Curvature of the energy: singular values of the score's Jacobian (algorithms 2 and 3 of appendix D).

At an image x and a small time t, with ``sigma = sqrt(1 - ab)`` and directions ``q_i``:

- central (algorithm 2): rows ``(s(sqrt(ab) x + sigma q_i) - s(sqrt(ab) x - sigma q_i)) / 2``;
- one-sided (algorithm 3): rows ``s(sqrt(ab) x + sigma q_i)``.

Directions are Gaussian, a multiple of d of them, or the d orthonormal ones of the pixels: then central
differences give, in the linear regime, ``sigma`` times the singular values of the Jacobian, without
sampling spread and with 2 d evaluations. The values come from the float64 Gram matrix of the rows, in
decreasing order; rows are made in batches, so that they never lie in memory together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from amdiff.diffusion.denoisers import Denoiser
from amdiff.diffusion.randomness import SampleNoise
from amdiff.diffusion.schedules import Schedule

Method = Literal["central", "one-sided"]


def singular_values(gram: Float64[Tensor, "n d d"]) -> Float64[Tensor, "n d"]:
    """Singular values of matrices M from ``M^T M``, in decreasing order."""
    return torch.linalg.eigvalsh(gram).clamp(min=0).sqrt().flip(1)


@torch.inference_mode()
def spectra(
    denoiser: Denoiser,
    images: Float[Tensor, "n ..."],
    time: int,
    schedule: Schedule,
    *,
    method: Method = "central",
    rows: int | None = None,
    noise: SampleNoise | None = None,
    batch: int = 4096,
) -> Float64[Tensor, "n d"]:
    """Raw singular values at each of ``images`` in [-1, 1].

    Without ``noise`` the directions are the d orthonormal ones; with it they are ``rows`` Gaussian ones for each image,
    from its own stream. ``batch`` images pass the denoiser together.
    Raises ``ValueError`` for fewer rows than dimensions, and where the score is not finite.
    """
    d = images[0].numel()
    rows = d if rows is None else rows
    if rows < d or (noise is None and rows != d):
        raise ValueError(f"in {d} dimensions orthonormal directions are {d} rows, Gaussian ones no fewer; got {rows}")
    signal, sigma = float(schedule.alpha_bar[time] ** 0.5), float(schedule.sigma[time])
    centre = signal * images.flatten(1)
    gram = torch.zeros(len(images), d, d, dtype=torch.float64, device=images.device)

    def score(points: Tensor) -> Tensor:
        """(n, r, d) to (n, r, d)."""
        flat = points.reshape(-1, *images.shape[1:])
        times = torch.full((len(flat),), time, dtype=torch.int64, device=flat.device)
        parts = [denoiser(x, t) for x, t in zip(flat.split(batch), times.split(batch), strict=True)]
        return (-torch.cat(parts) / sigma).reshape(points.shape)

    for directions in _directions(images, rows, noise, max(1, batch // (2 * len(images)))):
        values = score(centre[:, None] + sigma * directions)
        if method == "central":
            values = (values - score(centre[:, None] - sigma * directions)) / 2
        values = values.double()
        gram += values.mT @ values
    if not torch.isfinite(gram).all():
        raise ValueError("the model's score is NaN or infinite near these images: its training diverged")
    return singular_values(gram)


def _directions(images: Tensor, rows: int, noise: SampleNoise | None, step: int) -> Iterator[Tensor]:
    """Directions (n or 1, r, d), at most ``step`` of them at a time."""
    d = images[0].numel()
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        if noise is None:
            part = torch.zeros(1, stop - start, d, device=images.device, dtype=images.dtype)
            part[0, torch.arange(stop - start), torch.arange(start, stop)] = 1
            yield part
        else:
            yield torch.from_numpy(noise((stop - start, d))).to(images)
