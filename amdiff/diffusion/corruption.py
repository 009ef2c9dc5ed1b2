"""Training pairs: noisy data at random times of a forward process, and the noise to predict."""

from __future__ import annotations

import torch
from jaxtyping import Float, Num
from torch import Tensor

from .processes import Process
from .transfer import onto


def corrupt(
    process: Process, x0: Float[Tensor, "n ..."], generator: torch.Generator
) -> tuple[Float[Tensor, "n ..."], Num[Tensor, " n"], Float[Tensor, "n ..."]]:
    """Add noise to the data ``x0`` (n, *shape) at random times.

    Returns x_t (n, *shape), t (n,) and the noise (n, *shape), all on the device of ``x0``. ``generator`` is a generator
    on the CPU and draws the times and the noise there.
    """
    t = onto(x0.device, process.draw_times(len(x0), generator))
    noise = onto(x0.device, torch.randn(x0.shape, generator=generator))
    signal, sigma = (_for_each(level, x0) for level in process.float_levels(t))
    return signal * x0 + sigma * noise, t, noise


def _for_each(level: Tensor | float, x: Tensor) -> Tensor | float:
    """Reshape one number per image so that it broadcasts over images."""
    return level.view(len(x), *[1] * (x.ndim - 1)) if isinstance(level, Tensor) else level
