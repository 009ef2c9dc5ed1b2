"""Denoisers behind one interface: noise prediction from x and t."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from amdiff.config import DenoiserSpec, ExactCircleDenoiser, FourierMlpDenoiser, MlpDenoiser, UnetDenoiser

from .fourier import FourierMlp
from .mlp import Mlp
from .unet import Unet


@runtime_checkable
class Denoiser(Protocol):
    """Anything that predicts the noise in x at times t; networks and closed forms alike."""

    def __call__(self, x: Float[Tensor, "n ..."], t: Num[Tensor, " n"], /) -> Float[Tensor, "n ..."]:
        """``x`` (n, *shape), ``t`` (n,) in 0..T-1, whole or between; returns the noise, (n, *shape)."""
        ...


def build_network(
    spec: MlpDenoiser | UnetDenoiser | FourierMlpDenoiser,
    shape: tuple[int, ...],
    steps: int,
    generator: torch.Generator,
) -> nn.Module:
    """An untrained network for images of ``shape`` (C, H, W), or points (2,), and ``steps`` noise levels.

    Raises ``ValueError`` where the images do not fit the architecture.
    """
    if isinstance(spec, MlpDenoiser):
        return Mlp(spec, shape, steps, generator)
    if isinstance(spec, FourierMlpDenoiser):
        return FourierMlp(spec, shape, generator)
    problem = spec.misfit(shape)
    if problem:
        raise ValueError(problem)
    return Unet(spec, shape, generator)


def count_parameters(
    spec: DenoiserSpec | FourierMlpDenoiser | ExactCircleDenoiser, shape: tuple[int, ...], steps: int
) -> int:
    """Trainable parameters, without allocating them; 0 for a closed form."""
    if not isinstance(spec, (MlpDenoiser, UnetDenoiser, FourierMlpDenoiser)):
        return 0
    with torch.device("meta"):
        network = build_network(spec, shape, steps, torch.Generator("cpu"))
    return sum(p.numel() for p in network.parameters())
