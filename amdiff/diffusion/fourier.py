"""The toy model's network: a residual MLP with Gaussian Fourier features of a continuous time (appendix A.2)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from amdiff.config import FourierMlpDenoiser

from .mlp import initialise_linear


class ResidualBlock(nn.Module):
    """h + W2 silu(W1 silu(h))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.second(nn.functional.silu(self.first(nn.functional.silu(h))))


class FourierMlp(nn.Module):
    """Predicts the noise from points and continuous times. The score is its output divided by ``-sigma_t``.

    A linear map takes x, and the sine and cosine of t at random frequencies, to a residual network. The blocks of the
    paper's encoder and decoder follow one another there. A second linear map gives the output.
    """

    frequencies: Tensor

    def __init__(
        self, spec: FourierMlpDenoiser, shape: tuple[int, ...], levels: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        d = math.prod(shape)
        half = spec.time_features // 2
        self.register_buffer("frequencies", spec.time_scale * torch.randn(half, generator=generator))
        self.enter = nn.Linear(d + 2 * half, spec.width)
        self.blocks = nn.ModuleList(ResidualBlock(spec.width) for _ in range(spec.blocks))
        self.leave = nn.Linear(spec.width, d)
        initialise_linear(self, generator)

    def forward(self, x: Float[Tensor, "n ..."], t: Num[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        angles = 2 * torch.pi * t.to(x.dtype)[:, None] * self.frequencies
        h = self.enter(torch.cat([x.flatten(1), angles.sin(), angles.cos()], dim=1))
        for block in self.blocks:
            h = block(h)
        return self.leave(nn.functional.silu(h)).view(x.shape)
