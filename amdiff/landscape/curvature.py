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
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import SampleNoise
from amdiff.errors import AmdiffError

from .inputs import floating, index_of_time

Method = Literal["central", "one-sided"]


def singular_values(gram: Float64[Tensor, "n d d"]) -> Float64[Tensor, "n d"]:
    """Singular values of matrices M from ``M^T M``, in decreasing order."""
    return torch.linalg.eigvalsh(gram).clamp(min=0).sqrt().flip(1)


def score_spectra(
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
    Raises ``ValueError`` for fewer rows than dimensions, images that are no floating-point numbers, a time outside the
    schedule, another number of streams than of images, and where the score is not finite.
    """
    floating(images)
    index_of_time(time, schedule)
    if noise is not None and len(noise) != len(images):
        raise AmdiffError(f"each image has its own stream of noise; got {len(noise)} streams for {len(images)} images")
    d = images[0].numel()
    gram = torch.zeros(len(images), d, d, dtype=torch.float64, device=images.device)
    for _ in add_scores(gram, denoiser, images, time, schedule, method=method, rows=rows, noise=noise, batch=batch):
        pass
    return singular_values(gram)


def add_scores(
    gram: Float64[Tensor, "n d d"],
    denoiser: Denoiser,
    images: Float[Tensor, "n ..."],
    time: int,
    schedule: Schedule,
    *,
    method: Method = "central",
    rows: int | None = None,
    noise: SampleNoise | None = None,
    batch: int = 4096,
    start: int = 0,
) -> Iterator[int]:
    """Add the rows of ``score_spectra`` to their Gram matrices, in place; yields the number of rows that are in them.

    ``start`` rows are in ``gram`` already: so a long computation goes on where it was stopped. Raises as it does.
    """
    d = images[0].numel()
    rows = d if rows is None else rows
    if rows < d or (noise is None and rows != d):
        raise AmdiffError(f"in {d} dimensions orthonormal directions are {d} rows, Gaussian ones no fewer; got {rows}")
    signal, sigma = float(schedule.alpha_bar[time] ** 0.5), float(schedule.sigma[time])
    centre = signal * images.flatten(1)

    def score(points: Tensor) -> Tensor:
        """(n, r, d) to (n, r, d)."""
        flat = points.reshape(-1, *images.shape[1:])
        times = torch.full((len(flat),), time, dtype=torch.int64, device=flat.device)
        parts = [denoiser(x, t) for x, t in zip(flat.split(batch), times.split(batch), strict=True)]
        return (-torch.cat(parts) / sigma).reshape(points.shape)

    # a matrix of many dimensions is read and written as a whole for each piece: the piece must be worth it
    step = max(1, batch // (2 * len(images)), min(256, PIECE // (len(images) * d)))
    for stop, directions in _directions(images, start, rows, noise, step):
        with torch.inference_mode():
            values = score(centre[:, None] + sigma * directions)
            if method == "central":
                values = (values - score(centre[:, None] - sigma * directions)) / 2
            values = values.double()
            if not torch.isfinite(values).all():
                raise AmdiffError(
                    "the model's score is NaN or infinite near these images: its training diverged, or its precision "
                    "is too low"
                )
            gram.baddbmm_(values.mT, values)
        yield stop


PIECE = 2**23
"""Numbers of the rows that are added to a Gram matrix together, at most, unless a batch is larger."""


def _directions(
    images: Tensor, start: int, rows: int, noise: SampleNoise | None, step: int
) -> Iterator[tuple[int, Tensor]]:
    """Directions (n or 1, r, d) from number ``start`` on, at most ``step`` at a time, and where they stop."""
    d = images[0].numel()
    for at in range(0, start, step) if noise else ():
        assert noise is not None
        noise((min(step, start - at), d))  # a stream cannot be entered in its midst
    for at in range(start, rows, step):
        stop = min(at + step, rows)
        if noise is None:
            part = torch.zeros(1, stop - at, d, device=images.device, dtype=images.dtype)
            part[0, torch.arange(stop - at), torch.arange(at, stop)] = 1
            yield stop, part
        else:
            yield stop, torch.from_numpy(noise((stop - at, d))).to(images)
