"""Training pairs: noisy data at random times of a forward process, and the noise to predict."""

from __future__ import annotations

import torch
from jaxtyping import Float, Num
from torch import Tensor

from .processes import Process


def draw_pair(
    process: Process, shape: torch.Size, generator: torch.Generator
) -> tuple[Num[Tensor, " n"], Float[Tensor, "n ..."]]:
    """Draw random times t (n,), and standard normal noise of the given ``shape`` (n, *shape), on the CPU."""
    t = process.draw_times(shape[0], generator)
    return t, torch.randn(shape, generator=generator)


def noisy(
    process: Process, x0: Float[Tensor, "n ..."], t: Num[Tensor, " n"], noise: Float[Tensor, "n ..."]
) -> Float[Tensor, "n ..."]:
    """Return x_t (n, *shape): the data ``x0`` with the given noise at times ``t``, all on one device."""
    signal, sigma = (_for_each(level, x0) for level in process.float_levels(t))
    return signal * x0 + sigma * noise


def _for_each(level: Tensor | float, x: Tensor) -> Tensor | float:
    """Reshape one number per image so that it broadcasts over images."""
    return level.view(len(x), *[1] * (x.ndim - 1)) if isinstance(level, Tensor) else level
