"""The interface of denoisers, which predict the noise from x and t, and the networks that implement it."""

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
    """Anything that predicts the noise in ``x`` at times ``t``.

    A network, an exact denoiser in closed form, and your own function are all denoisers.
    """

    def __call__(self, x: Float[Tensor, "n ..."], t: Num[Tensor, " n"], /) -> Float[Tensor, "n ..."]:
        """Predict the noise.

        Parameters
        ----------
        x
            Noisy images, (n, *shape).
        t
            Time of each image, (n,). Times of the VP process are in 0..T-1, as integers or as floats in between; times
            of the VE process are in [0, 1].

        Returns
        -------
        Tensor
            The predicted noise, (n, *shape).
        """
        ...


NETWORKS: dict[str, Callable[[Any, tuple[int, ...], int, torch.Generator], nn.Module]] = {
    "mlp": Mlp,
    "unet": Unet,
    "fourier-mlp": FourierMlp,
}
"""The constructor of each kind of network.

Its arguments are the specification, the shape of an input, the number of noise levels, and the generator that draws the
initial weights."""


def build_network(spec: Network, shape: tuple[int, ...], levels: int, generator: torch.Generator) -> nn.Module:
    """Build an untrained network.

    Parameters
    ----------
    spec
        The specification of the network.
    shape
        Shape of one input: (C, H, W) for an image, (2,) for a point.
    levels
        Number of noise levels; 1 if time is continuous.
    generator
        Draws the initial weights.

    Raises
    ------
    ValueError
        If inputs of this shape do not fit the architecture.
    """
    if problem := spec.misfit(shape):
        raise AmdiffError(problem)
    return NETWORKS[spec.kind](spec, shape, levels, generator)


def count_parameters(spec: DenoiserBase, shape: tuple[int, ...], levels: int) -> int:
    """Return the number of trainable parameters, without allocating them; 0 for a denoiser that is not trained."""
    if not isinstance(spec, Network):
        return 0
    with torch.device("meta"):
        network = build_network(spec, shape, levels, torch.Generator("cpu"))
    return sum(p.numel() for p in network.parameters())
