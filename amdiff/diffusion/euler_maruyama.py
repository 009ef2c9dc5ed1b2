"""Sampling of the VE process by Euler-Maruyama (eq. 20)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from .denoisers import Denoiser
from .randomness import SampleNoise
from .sampling import finite
from .schedules import VarianceExploding
from .transfer import onto


@torch.inference_mode()
def draw_ve(
    denoiser: Denoiser,
    process: VarianceExploding,
    noise: SampleNoise,
    shape: tuple[int, ...],
    *,
    steps: int,
    end: float,
    device: torch.device | str = "cpu",
    callback: Callable[[int], None] = lambda done: None,
) -> Float[Tensor, "n ..."]:
    """Run ``dx = -sigma^2 s dt + sigma dW`` backwards from N(0, sigma^2) at t = 1 to t = ``end``.

    One sample for each stream of ``noise``. The last of the ``steps`` evaluations, at ``end``, goes on to 0 and adds
    no noise: that is the mean of the data given the point.
    Raises ``ValueError`` where the result is not finite.
    """
    times = torch.linspace(1.0, end, steps, dtype=torch.float64).tolist()
    x = process.sigma * onto(device, noise(shape))
    for done, (time, following) in enumerate(zip(times, [*times[1:], 0.0], strict=True), start=1):
        step = time - following
        t = torch.full((len(x),), time, dtype=torch.float32, device=x.device)
        sigma_t = process.sigma * time**0.5
        x = x - process.sigma**2 * step * denoiser(x, t) / sigma_t  # the score is -eps / sigma_t
        if done < steps:
            x = x + process.sigma * step**0.5 * onto(device, noise(shape))
        callback(done)
    return finite(x)
