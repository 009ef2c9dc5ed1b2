"""Closed-form denoisers: the exact noise prediction of a finite set and of a Gaussian.

The score of a finite set is that of a dense associative memory (``memory``), whose memories are scaled by the
signal of the process at a time, at the variance ``v = sigma_t^2``; ``eps = -sigma_t s``. VP and VE alike. All
arithmetic is in float64. They are oracles in tests, and models that need no training. Times may be
whole numbers or lie between.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Num
from torch import Tensor

from amdiff.errors import AmdiffError

from .memory import DenseAssociativeMemory
from .processes import Process


class FiniteSet:
    """The exact noise prediction for data that are a finite set of memories."""

    def __init__(self, memories: Float[Tensor, "k ..."], process: Process, block: int = 4096) -> None:
        """``memories`` in [-1, 1]; they are visited ``block`` at a time."""
        self.memory = DenseAssociativeMemory(memories, block)
        self.process = process

    def __call__(self, x: Float[Tensor, "n ..."], t: Num[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        signal, sigma = _levels(self.process, t)
        mean = self.memory.recall(x, 1 / (2 * sigma**2), signal)
        return ((x.double() - mean) / sigma.view(-1, *[1] * (x.ndim - 1))).to(x.dtype)


class Gaussian:
    """The exact noise prediction for Gaussian data: eps = sigma (signal^2 C + sigma^2 I)^-1 (x - signal mu)."""

    def __init__(self, mean: Float[Tensor, "..."], covariance: Float[Tensor, "d d"], process: Process) -> None:
        self.mean = mean.flatten().double()
        eigenvalues, self.axes = torch.linalg.eigh(covariance.double())
        self.eigenvalues = eigenvalues.clamp(min=0)
        self.process = process

    @classmethod
    def fitted(cls, images: Float[Tensor, "n ..."], process: Process) -> Gaussian:
        """Mean and covariance of the images. Raises ``ValueError`` for fewer than two."""
        if len(images) < 2:
            raise AmdiffError(f"a Gaussian is fitted to at least two images, got {len(images)}")
        flat = images.flatten(1).double()
        return cls(flat.mean(0), torch.cov(flat.T).reshape(flat.shape[1], flat.shape[1]), process)

    def __call__(self, x: Float[Tensor, "n ..."], t: Num[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        signal, sigma = (level[:, None] for level in _levels(self.process, t))
        centred = x.flatten(1).double() - signal * self.mean
        scaled = (centred @ self.axes) / (signal**2 * self.eigenvalues + sigma**2)
        return (sigma * (scaled @ self.axes.T)).to(x.dtype).view(x.shape)


def _levels(process: Process, t: Tensor) -> tuple[Tensor, Tensor]:
    """Signal and sigma (n,), float64."""
    signal, sigma = process.levels(t.cpu().numpy())
    return torch.from_numpy(signal).to(t.device), torch.from_numpy(sigma).to(t.device)
