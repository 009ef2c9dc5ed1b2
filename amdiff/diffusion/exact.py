"""Closed-form denoisers: the exact noise prediction for a finite set and for a Gaussian.

The score s of a finite set is the score of a dense associative memory (``memory``) with ``scale = signal_t`` and
``v = sigma_t^2``. The noise is ``eps = -sigma_t s``. This holds for VP and for VE. All arithmetic is in float64. Times
may be integers or floats in between.

These denoisers need no training. Tests use them as exact references.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Num
from torch import Tensor

from amdiff.errors import AmdiffError

from .memory import DenseAssociativeMemory
from .processes import Process


class FiniteSet:
    """The exact noise prediction for data that are a finite set of memories.

    It is a denoiser: call it with x (n, *shape) and t (n,) to get the noise (n, *shape). All arithmetic is in float64;
    the result has the dtype of x.

    Parameters
    ----------
    memories
        The data, (K, *shape), usually in [-1, 1].
    process
        The forward process.
    block
        Number of memories that are handled at a time; it bounds the memory in use. Default 4096.

    Raises
    ------
    ValueError
        If there are no memories.
    """

    def __init__(self, memories: Float[Tensor, "k ..."], process: Process, block: int = 4096) -> None:
        self.memory = DenseAssociativeMemory(memories, block)
        self.process = process

    def __call__(self, x: Float[Tensor, "n ..."], t: Num[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        signal, sigma = _levels(self.process, t)
        mean = self.memory.recall(x, 1 / (2 * sigma**2), signal)
        return ((x.double() - mean) / sigma.view(-1, *[1] * (x.ndim - 1))).to(x.dtype)


class Gaussian:
    """The exact noise prediction for Gaussian data: eps = sigma (signal^2 C + sigma^2 I)^-1 (x - signal mu).

    It is a denoiser: call it with x (n, *shape) and t (n,) to get the noise (n, *shape). All arithmetic is in float64;
    the result has the dtype of x.

    Parameters
    ----------
    mean
        The mean mu of the data, of any shape with d numbers.
    covariance
        The covariance C of the flattened data, (d, d).
    process
        The forward process.
    """

    def __init__(self, mean: Float[Tensor, "..."], covariance: Float[Tensor, "d d"], process: Process) -> None:
        self.mean = mean.flatten().double()
        eigenvalues, self.axes = torch.linalg.eigh(covariance.double())
        self.eigenvalues = eigenvalues.clamp(min=0)
        self.process = process

    @classmethod
    def fitted(cls, images: Float[Tensor, "n ..."], process: Process) -> Gaussian:
        """Fit the mean and the covariance to images (n, *shape).

        Raises ``ValueError`` if there are fewer than two images.
        """
        if len(images) < 2:
            raise AmdiffError(f"fitting a Gaussian needs at least two images, got {len(images)}")
        flat = images.flatten(1).double()
        return cls(flat.mean(0), torch.cov(flat.T).reshape(flat.shape[1], flat.shape[1]), process)

    def __call__(self, x: Float[Tensor, "n ..."], t: Num[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        signal, sigma = (level[:, None] for level in _levels(self.process, t))
        centred = x.flatten(1).double() - signal * self.mean
        scaled = (centred @ self.axes) / (signal**2 * self.eigenvalues + sigma**2)
        return (sigma * (scaled @ self.axes.T)).to(x.dtype).view(x.shape)


def _levels(process: Process, t: Tensor) -> tuple[Tensor, Tensor]:
    """Return signal and sigma at times ``t``, (n,) each, in float64."""
    signal, sigma = process.levels(t.cpu().numpy())
    return torch.from_numpy(signal).to(t.device), torch.from_numpy(sigma).to(t.device)
