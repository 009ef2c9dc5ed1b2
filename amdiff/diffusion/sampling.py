"""Drawing samples: one loop over the steps of a sampler, whatever the process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from amdiff.errors import AmdiffError

from .denoisers import Denoiser
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
    """Run the reverse process from pure noise.

    Parameters
    ----------
    denoiser
        Predicts the noise in x at times t.
    steps
        Of a sampler, as ``ddpm_steps`` or ``ddim_steps`` gives them.
    noise
        One stream of noise for each sample.
    shape
        Of one sample: (C, H, W) of an image.
    process
        The forward process, which tells the scale of pure noise. None: it is 1, as for VP.
    clip
        Whether predicted images are clipped to [-1, 1] at each step.
    device
        Where the denoiser computes.
    callback
        Hears the number of steps that are done.

    Returns
    -------
    Samples (n, *shape), in [-1, 1] where predicted images are clipped.

    Raises
    ------
    ValueError
        Where the result is not finite.
    """
    x = onto(device, noise(shape))
    if process is not None and (scale := process.noise_at_end) != 1:
        x = scale * x
    return finite(reverse(denoiser, x, steps, clip=clip, noise=noise, callback=callback))


def finite(samples: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
    """The samples themselves. Raises ``ValueError`` where they are not finite."""
    if not torch.isfinite(samples).all():
        raise AmdiffError(
            "the model gave samples that are NaN or infinite: its training diverged, or its weights are foreign"
        )
    return samples


@torch.inference_mode()
def reverse(
    denoiser: Denoiser,
    x: Float[Tensor, "n ..."],
    steps: Sequence[Step],
    *,
    clip: bool = True,
    noise: SampleNoise | None = None,
    callback: Callable[[int], None] = lambda done: None,
) -> Float[Tensor, "n ..."]:
    """Take ``x`` (n, *shape) through ``steps``.

    Steps that draw no noise need no ``noise``. The other arguments are those of ``draw``. Raises ``ValueError`` where
    steps draw noise and none is given.
    """

    def fresh(like: Tensor) -> Tensor:
        if noise is None:
            raise AmdiffError("these steps draw noise; give a source of it, or use DDIM with eta = 0")
        return onto(like.device, noise(like.shape[1:]))

    for done, step in enumerate(steps, start=1):
        x = step(denoiser, x, fresh, clip)
        callback(done)
    return x


def to_uint8(x: Float[Tensor, "..."]) -> UInt8[Tensor, "..."]:
    """[-1, 1] to 0..255, rounded; values outside are clipped."""
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def from_uint8(images: UInt8[Tensor, "..."]) -> Float[Tensor, "..."]:
    """0..255 to float32 [-1, 1]."""
    return images.to(torch.float32) / 127.5 - 1
