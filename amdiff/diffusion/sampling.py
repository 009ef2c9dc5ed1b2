"""Drawing samples: ancestral DDPM and DDIM as one loop over precomputed steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from amdiff.config import SamplingSpec

from .denoisers import Denoiser
from .randomness import SampleNoise
from .schedules import Schedule, Step, ddim_steps, ddpm_steps
from .transfer import onto


def sampler_steps(schedule: Schedule, spec: SamplingSpec) -> list[Step]:
    """The steps of the sampler that the specification asks for."""
    if spec.sampler == "ddim":
        return ddim_steps(schedule, spec.steps, spec.eta)
    return ddpm_steps(schedule, spec.steps)


@torch.inference_mode()
def draw(
    denoiser: Denoiser,
    steps: Sequence[Step],
    noise: SampleNoise,
    shape: tuple[int, ...],
    *,
    clip: bool = True,
    device: torch.device | str = "cpu",
    callback: Callable[[int], None] = lambda done: None,
) -> Float[Tensor, "n ..."]:
    """Run the reverse process from pure noise; one sample for each stream of ``noise``.

    Returns images (n, *shape), in [-1, 1] when ``clip``. ``callback`` hears the number of steps done.
    Raises ``ValueError`` where the result is not finite.
    """
    x = onto(device, noise(shape))
    return finite(reverse(denoiser, x, steps, clip=clip, noise=noise, callback=callback))


def finite(samples: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
    """The samples themselves. Raises ``ValueError`` where they are not finite."""
    if not torch.isfinite(samples).all():
        raise ValueError(
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
    """Take ``x`` (n, *shape) through ``steps``; steps without noise need no ``noise``."""
    for done, step in enumerate(steps, start=1):
        eps = denoiser(x, torch.full((len(x),), step.time, dtype=torch.int64, device=x.device))
        x0 = step.x0_from_x * x - step.x0_from_eps * eps
        if clip:
            x0 = x0.clamp(-1, 1)
        x = step.keep * x + step.predict * x0
        if step.noise:
            if noise is None:
                raise ValueError("these steps draw noise; give a source of it, or use DDIM with eta = 0")
            x = x + step.noise * onto(x.device, noise(x.shape[1:]))
        callback(done)
    return x


def to_uint8(x: Float[Tensor, "..."]) -> UInt8[Tensor, "..."]:
    """[-1, 1] to 0..255, rounded; values outside are clipped."""
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def from_uint8(images: UInt8[Tensor, "..."]) -> Float[Tensor, "..."]:
    """0..255 to float32 [-1, 1]."""
    return images.to(torch.float32) / 127.5 - 1
