"""Training pairs: data at random times of a forward process, and the noise to be predicted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .schedules import Schedule, VarianceExploding
from .transfer import onto

Corruption = Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor, Tensor]]
"""x_0 (n, *shape) and a generator on the CPU, to x_t, t (n,) and the noise (n, *shape)."""


def corruption(process: Schedule | VarianceExploding, device: torch.device, start: float = 0.0) -> Corruption:
    """Times are uniform: over the T noise levels for VP, over [``start``, 1] for VE."""
    if isinstance(process, VarianceExploding):
        return _continuous(process, start)
    return _discrete(process, device)


def _discrete(schedule: Schedule, device: torch.device) -> Corruption:
    signal = torch.from_numpy(np.sqrt(schedule.alpha_bar)).float().to(device)
    sigma = torch.from_numpy(schedule.sigma).float().to(device)

    def corrupt(x0: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        t = onto(x0.device, torch.randint(len(sigma), (len(x0),), generator=generator))
        noise = onto(x0.device, torch.randn(x0.shape, generator=generator))
        per_image = (len(x0), *[1] * (x0.ndim - 1))
        return signal[t].view(per_image) * x0 + sigma[t].view(per_image) * noise, t, noise

    return corrupt


def _continuous(process: VarianceExploding, start: float) -> Corruption:
    def corrupt(x0: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        t = onto(x0.device, start + (1 - start) * torch.rand(len(x0), generator=generator))
        noise = onto(x0.device, torch.randn(x0.shape, generator=generator))
        sigma = process.sigma * t.sqrt()
        return x0 + sigma.view(len(x0), *[1] * (x0.ndim - 1)) * noise, t, noise

    return corrupt
