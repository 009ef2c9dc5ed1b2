"""Moves random numbers from the CPU to the device that computes. So the noise is the same on every device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def onto(device: torch.device | str, drawn: Tensor | np.ndarray) -> Tensor:
    """Return ``drawn``, which is on the CPU, as a tensor on ``device``.

    A GPU copies it from pinned memory, without blocking. So the CPU can draw more while the GPU computes.
    """
    tensor = torch.as_tensor(drawn)
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
