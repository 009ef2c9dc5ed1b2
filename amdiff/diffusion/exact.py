"""Closed-form denoisers: the exact score of a finite set and of a Gaussian.

The score of a finite set of memories xi at noise variance v is that of a dense associative memory
at inverse temperature 1/(2v) (section 2, eq. 4-6). For the VP process the memories are scaled by
``sqrt(alpha_bar)`` and ``v = 1 - alpha_bar``:

    s(x, t) = (sum_mu w_mu xi_mu - x) / v,   w = softmax(-|x - xi|^2 / (2 v)),   eps = -sqrt(v) s

All arithmetic is in float64. They are oracles in tests, and models that need no training.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .schedules import Schedule


class FiniteSet:
    """The exact noise prediction for data that are a finite set of memories."""

    def __init__(self, memories: Float[Tensor, "k ..."], schedule: Schedule, block: int = 4096) -> None:
        """``memories`` in [-1, 1]; they are visited ``block`` at a time."""
        self.memories = memories.flatten(1).double()
        self.norms = self.memories.square().sum(1)
        self.alpha_bar = torch.from_numpy(schedule.alpha_bar).to(memories.device)
        self.block = block

    def __call__(self, x: Float[Tensor, "n ..."], t: Int[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        point = x.flatten(1).double()
        signal = self.alpha_bar[t][:, None].sqrt()
        variance = 1 - self.alpha_bar[t][:, None]
        mean = signal * self._posterior_mean(point, signal, variance)
        return ((point - mean) / variance.sqrt()).to(x.dtype).view(x.shape)

    def _posterior_mean(self, x: Tensor, signal: Tensor, variance: Tensor) -> Tensor:
        """sum_mu w_mu memory_mu, by a running softmax over blocks of memories."""
        top = torch.full_like(signal, -torch.inf)
        total = torch.zeros_like(signal)
        mean = torch.zeros_like(x)
        for start in range(0, len(self.memories), self.block):
            memories = self.memories[start : start + self.block]
            norms = self.norms[start : start + self.block]
            # -|x - signal m|^2 / 2v, without the term |x|^2 that all memories share
            logits = (signal * (x @ memories.T) - signal.square() * norms / 2) / variance
            higher = torch.maximum(top, logits.max(dim=1, keepdim=True).values)
            weights = (logits - higher).exp()
            shrink = (top - higher).exp()
            total = total * shrink + weights.sum(1, keepdim=True)
            mean = mean * shrink + weights @ memories
            top = higher
        return mean / total


class Gaussian:
    """The exact noise prediction for Gaussian data: eps = sqrt(v) (ab C + v I)^-1 (x - sqrt(ab) mu)."""

    def __init__(self, mean: Float[Tensor, "..."], covariance: Float[Tensor, "d d"], schedule: Schedule) -> None:
        self.mean = mean.flatten().double()
        eigenvalues, self.axes = torch.linalg.eigh(covariance.double())
        self.eigenvalues = eigenvalues.clamp(min=0)
        self.alpha_bar = torch.from_numpy(schedule.alpha_bar).to(mean.device)

    @classmethod
    def fitted(cls, images: Float[Tensor, "n ..."], schedule: Schedule) -> Gaussian:
        """Mean and covariance of the images. Raises ``ValueError`` for fewer than two."""
        if len(images) < 2:
            raise ValueError(f"a Gaussian is fitted to at least two images, got {len(images)}")
        flat = images.flatten(1).double()
        return cls(flat.mean(0), torch.cov(flat.T).reshape(flat.shape[1], flat.shape[1]), schedule)

    def __call__(self, x: Float[Tensor, "n ..."], t: Int[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        alpha_bar = self.alpha_bar[t][:, None]
        variance = 1 - alpha_bar
        centred = x.flatten(1).double() - alpha_bar.sqrt() * self.mean
        scaled = (centred @ self.axes) / (alpha_bar * self.eigenvalues + variance)
        return (variance.sqrt() * (scaled @ self.axes.T)).to(x.dtype).view(x.shape)
