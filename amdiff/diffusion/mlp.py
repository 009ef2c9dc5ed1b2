"""A residual MLP that predicts the noise. It is small and runs quickly on a CPU."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from amdiff.config import MlpDenoiser


def sinusoidal(t: Num[Tensor, " n"], features: int) -> Float[Tensor, "n features"]:
    """Return sines and cosines of t at ``features / 2`` frequencies from 1 to 1/10000 (Vaswani et al. 2017)."""
    half = features // 2
    frequencies = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device) / (half - 1))
    angles = t.to(torch.float32)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def initialise_linear(net: nn.Module, generator: torch.Generator) -> None:
    """Initialise linear layers as PyTorch does, uniformly within 1/sqrt(fan_in), but from ``generator``."""
    for module in net.modules():
        if isinstance(module, nn.Linear):
            bound = module.in_features**-0.5
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            nn.init.uniform_(module.bias, -bound, bound, generator=generator)


class Block(nn.Module):
    """h + W2 silu(W1 silu(norm(h)) + V e), where e is the embedded time."""

    def __init__(self, width: int, time_features: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.time = nn.Linear(time_features, width)
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Linear(width, width)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        inner = nn.functional.silu(self.first(nn.functional.silu(self.norm(h))) + self.time(e))
        return h + self.second(self.dropout(inner))


class Mlp(nn.Module):
    """Predicts the noise from flattened images."""

    features: int
    table: Tensor

    def __init__(self, spec: MlpDenoiser, shape: tuple[int, ...], levels: int, generator: torch.Generator) -> None:
        super().__init__()
        d = math.prod(shape)
        self.features = features = spec.time_features
        self.register_buffer("table", sinusoidal(torch.arange(levels), features), persistent=False)
        self.embed = nn.Sequential(nn.Linear(features, features), nn.SiLU(), nn.Linear(features, features), nn.SiLU())
        self.enter = nn.Linear(d, spec.width)
        self.blocks = nn.ModuleList(Block(spec.width, features, spec.dropout) for _ in range(spec.blocks))
        self.norm = nn.LayerNorm(spec.width)
        self.leave = nn.Linear(spec.width, d)
        initialise_linear(self, generator)

    def forward(self, x: Float[Tensor, "n ..."], t: Num[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        e = self.embed(sinusoidal(t, self.features) if t.is_floating_point() else self.table[t])
        h = self.enter(x.flatten(1))
        for block in self.blocks:
            h = block(h, e)
        return self.leave(self.norm(h)).view(x.shape)
