"""Where a fast network is made from a plain one: for training, sampling and analyses alike."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def fast(denoiser: Any, *, compile: bool = False) -> Any:
    """A denoiser that gives what the plain one gives, up to rounding, sooner.

    A network is compiled where ``compile`` asks for it. Closed forms, which are no networks, stay as they are.
    """
    return torch.compile(denoiser) if compile and isinstance(denoiser, nn.Module) else denoiser
