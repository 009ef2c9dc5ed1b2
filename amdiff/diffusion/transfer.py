"""What the CPU draws, brought to the device that computes. Noise is drawn on the CPU: the same on every device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def onto(device: torch.device | str, drawn: Tensor | np.ndarray) -> Tensor:
    """``drawn``, which is on the CPU, on ``device``.

    CUDA fetches it from pinned memory when it gets there, so that the CPU goes on drawing while the GPU computes.
    """
    tensor = torch.as_tensor(drawn)
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
