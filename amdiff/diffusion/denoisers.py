"""Denoisers behind one interface: noise prediction from x and t."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from amdiff.config import DenoiserBase, Network
from amdiff.errors import AmdiffError

from .fourier import FourierMlp
from .mlp import Mlp
from .unet import Unet


@runtime_checkable
class Denoiser(Protocol):
    """Anything that predicts the noise in x at times t; networks and closed forms alike."""

    def __call__(self, x: Float[Tensor, "n ..."], t: Num[Tensor, " n"], /) -> Float[Tensor, "n ..."]:
        """``x`` (n, *shape), ``t`` (n,) in 0..T-1, whole or between; returns the noise, (n, *shape)."""
        ...


NETWORKS: dict[str, Callable[[Any, tuple[int, ...], int, torch.Generator], nn.Module]] = {
    "mlp": Mlp,
    "unet": Unet,
    "fourier-mlp": FourierMlp,
}
"""Networks by their kind: each from its specification, the shape of an input, the number of noise levels, and what
draws its first weights."""


def build_network(spec: Network, shape: tuple[int, ...], levels: int, generator: torch.Generator) -> nn.Module:
    """An untrained network.

    Parameters
    ----------
    spec
        Its specification.
    shape
        Of an input: (C, H, W) of an image, (2,) of a point.
    levels
        Number of noise levels; 1 where time is continuous.
    generator
        Draws its first weights.

    Raises
    ------
    ValueError
        Where inputs of that shape do not fit the architecture.
    """
    if problem := spec.misfit(shape):
        raise AmdiffError(problem)
    return NETWORKS[spec.kind](spec, shape, levels, generator)


def count_parameters(spec: DenoiserBase, shape: tuple[int, ...], levels: int) -> int:
    """Trainable parameters, without allocating them; 0 where nothing is trained."""
    if not isinstance(spec, Network):
        return 0
    with torch.device("meta"):
        network = build_network(spec, shape, levels, torch.Generator("cpu"))
    return sum(p.numel() for p in network.parameters())
