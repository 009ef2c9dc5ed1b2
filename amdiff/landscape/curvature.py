"""Curvature of the energy: singular values of the score's Jacobian (algorithms 2 and 3 of appendix D).

The singular values are those of a matrix of scores s around an image x at a small time t. With ``sigma = sqrt(1 - ab)``
and directions ``q_i``, its rows are

- central (algorithm 2): ``(s(sqrt(ab) x + sigma q_i) - s(sqrt(ab) x - sigma q_i)) / 2``;
- one-sided (algorithm 3): ``s(sqrt(ab) x + sigma q_i)``.

The directions are either Gaussian, at least d of them, or the d orthonormal ones of the pixels. With orthonormal
directions and central differences the result is, in the linear regime, ``sigma`` times the singular values of the
Jacobian. It then has no sampling error, and needs 2 d evaluations. The singular values come from the float64 Gram
matrix of the rows. Rows are computed in batches, so that they are never in memory all together.
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
    """Return the singular values (n, d) of matrices M from their Gram matrices ``M^T M``, in decreasing order."""
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
    """Return the singular values of the score's Jacobian around each image (appendix D).

    They measure the curvature of the energy. The values are raw: divide them by ``normalisation`` to compare them
    between settings.

    Parameters
    ----------
    denoiser
        Predicts the noise in x at times t.
    images
        Images (n, *shape) in [-1, 1], as floating-point numbers; d is the number of values of one image.
    time
        Index of a small noise level, 0 to T-1.
    schedule
        The noise levels of the denoiser.
    method
        'central' (the default) takes central differences of the score (algorithm 2). 'one-sided' takes half as many
        evaluations (algorithm 3).
    rows
        Number of directions. Default None: d. Gaussian directions may be more.
    noise
        One stream of noise for each image, from which Gaussian directions are drawn. Default None: the directions are
        the d orthonormal ones of the pixels.
    batch
        Number of images that pass the denoiser together. Default 4096.

    Returns
    -------
    Tensor
        Singular values (n, d), float64, in decreasing order.

    Raises
    ------
    ValueError
        Where images are not floating-point numbers, the time is outside the schedule, there are fewer rows than
        dimensions, the number of streams differs from that of images, or the score is not finite.
    """
    floating(images)
    index_of_time(time, schedule)
    if noise is not None and len(noise) != len(images):
        raise AmdiffError(
            f"each image needs its own stream of noise; got {len(noise)} streams for {len(images)} images"
        )
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
    """Add the rows of ``score_spectra`` to their Gram matrices, in place. So a long computation can be resumed.

    Parameters
    ----------
    gram
        Gram matrices (n, d, d) that hold the first ``start`` rows; zero at the start.
    denoiser, images, time, schedule, method, rows, noise, batch
        As for ``score_spectra``.
    start
        Number of rows that ``gram`` holds already. Default 0.

    Yields
    ------
    int
        Number of rows that ``gram`` holds after each batch.

    Raises
    ------
    ValueError
        Where there are fewer rows than dimensions, or the score is not finite.
    """
    d = images[0].numel()
    rows = d if rows is None else rows
    if rows < d or (noise is None and rows != d):
        raise AmdiffError(
            f"in {d} dimensions there are exactly {d} orthonormal directions, and Gaussian directions must be at least "
            f"{d}; got rows = {rows}"
        )
    signal, sigma = float(schedule.alpha_bar[time] ** 0.5), float(schedule.sigma[time])
    centre = signal * images.flatten(1)

    def score(points: Tensor) -> Tensor:
        """The score at points (n, r, d)."""
        flat = points.reshape(-1, *images.shape[1:])
        times = torch.full((len(flat),), time, dtype=torch.int64, device=flat.device)
        parts = [denoiser(x, t) for x, t in zip(flat.split(batch), times.split(batch), strict=True)]
        return (-torch.cat(parts) / sigma).reshape(points.shape)

    # each piece reads and writes the whole Gram matrix, which is slow in many dimensions: so pieces must be large
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
"""Largest count of numbers in the rows that are added to a Gram matrix together, unless a batch is larger."""


def _directions(
    images: Tensor, start: int, rows: int, noise: SampleNoise | None, step: int
) -> Iterator[tuple[int, Tensor]]:
    """Yield directions (n or 1, r, d) from number ``start`` on, at most ``step`` at a time.

    Each item also has the number of the direction after its last one.
    """
    d = images[0].numel()
    for at in range(0, start, step) if noise else ():
        assert noise is not None
        noise((min(step, start - at), d))  # a stream can only be read from its start, so skip what was used before
    for at in range(start, rows, step):
        stop = min(at + step, rows)
        if noise is None:
            part = torch.zeros(1, stop - at, d, device=images.device, dtype=images.dtype)
            part[0, torch.arange(stop - at), torch.arange(at, stop)] = 1
            yield stop, part
        else:
            yield stop, torch.from_numpy(noise((stop - at, d))).to(images)
