"""Drawing samples: one loop over the steps of a sampler, for every process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from amdiff.errors import AmdiffError

from .denoisers import Denoiser
from .noise_ahead import DRAWING, NoiseAhead
from .processes import Process
from .randomness import SampleNoise
from .samplers import Step
from .transfer import onto


@torch.inference_mode()
def draw(
    denoiser: Denoiser,
    steps: Sequence[Step],
    noise: SampleNoise,
    shape: tuple[int, ...],
    *,
    process: Process | None = None,
    clip: bool = True,
    device: torch.device | str = "cpu",
    callback: Callable[[int], None] = lambda done: None,
) -> Float[Tensor, "n ..."]:
    """Draw samples: run the reverse process from pure noise.

    Parameters
    ----------
    denoiser
        The denoiser, which predicts the noise in x at times t.
    steps
        The steps of a sampler, from ``ddpm_steps``, ``ddim_steps`` or ``euler_maruyama_steps``.
    noise
        One stream of noise for each sample.
    shape
        Shape of one sample, (C, H, W) for an image.
    process
        The forward process, which gives the standard deviation of the pure noise. Default None: the deviation is 1, as
        for VP.
    clip
        Whether to clip the predicted images to [-1, 1] at each step. Default True.
    device
        The torch device of the denoiser. Default 'cpu'.
    callback
        Function that is called after each step with the number of finished steps.

    Returns
    -------
    Tensor
        The samples, (n, *shape). They lie in [-1, 1] if predicted images are clipped.

    Raises
    ------
    ValueError
        If a sample is NaN or infinite.
    """
    with _fetched(noise, shape, torch.device(device)) as fetched:
        x = onto(device, fetched(shape))
        if process is not None and (scale := process.noise_at_end) != 1:
            x = scale * x
        return finite(reverse(denoiser, x, steps, clip=clip, noise=fetched, callback=callback))


def _fetched(
    noise: SampleNoise, shape: tuple[int, ...], device: torch.device
) -> contextlib.AbstractContextManager[SampleNoise | NoiseAhead]:
    """The noise itself, or on CUDA the same noise, drawn ahead while the device computes."""
    if device.type != "cuda":
        return contextlib.nullcontext(noise)
    return NoiseAhead(noise, shape, threads=min(DRAWING, os.cpu_count() or 1), pinned=True)


def finite(samples: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
    """Return the samples unchanged. Raises ``ValueError`` if one is NaN or infinite."""
    if not torch.isfinite(samples).all():
        raise AmdiffError(
            "the model gave samples that are NaN or infinite: its training diverged, or its weights are those of "
            "another model"
        )
    return samples


@torch.inference_mode()
def reverse(
    denoiser: Denoiser,
    x: Float[Tensor, "n ..."],
    steps: Sequence[Step],
    *,
    clip: bool = True,
    noise: SampleNoise | NoiseAhead | None = None,
    callback: Callable[[int], None] = lambda done: None,
) -> Float[Tensor, "n ..."]:
    """Run the reverse process from given points.

    Parameters
    ----------
    denoiser
        The denoiser, which predicts the noise in x at times t.
    x
        Points at the time of the first step, (n, *shape).
    steps
        The steps of a sampler.
    clip
        Whether to clip the predicted images to [-1, 1] at each step. Default True.
    noise
        One stream of noise for each point. Deterministic steps do not need it. Default None.
    callback
        Function that is called after each step with the number of finished steps.

    Returns
    -------
    Tensor
        The points after the last step, (n, *shape).

    Raises
    ------
    ValueError
        If a step draws noise and ``noise`` is None.
    """

    def fresh(like: Tensor) -> Tensor:
        if noise is None:
            raise AmdiffError(
                "these steps draw noise, but 'noise' is None; give a SampleNoise, or use DDIM with eta = 0"
            )
        return onto(like.device, noise(like.shape[1:]))

    for done, step in enumerate(steps, start=1):
        x = step(denoiser, x, fresh, clip)
        callback(done)
    return x


def to_uint8(x: Float[Tensor, "..."]) -> UInt8[Tensor, "..."]:
    """Convert numbers in [-1, 1] to uint8, 0..255, by rounding. Values outside [-1, 1] are clipped."""
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def from_uint8(images: UInt8[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Convert uint8 images, 0..255, to float32 in [-1, 1]."""
    return images.to(torch.float32) / 127.5 - 1
