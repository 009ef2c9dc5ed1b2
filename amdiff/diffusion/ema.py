"""The moving average of the weights, with which samples are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from amdiff.config import TrainingSpec


def ema_decay(spec: TrainingSpec, step: int) -> float:
    """Return the decay of the moving average at ``step`` (0-based)."""
    return min(spec.ema_decay, (1 + step) / (10 + step)) if spec.ema_warmup else spec.ema_decay


@torch.no_grad()
def average(averages: Sequence[Tensor], values: Sequence[Tensor], new: float | Tensor) -> None:
    """Move each average towards its value, in place: ``average = (1 - new) average + new value``.

    A weight that is a tensor, float32 () on the device of the averages, may change between the replays of a graph.
    """
    if isinstance(new, Tensor):
        change = list(torch._foreach_sub(list(values), list(averages)))
        torch._foreach_mul_(change, new)
        torch._foreach_add_(list(averages), change)
    else:
        torch._foreach_lerp_(list(averages), list(values), new)
