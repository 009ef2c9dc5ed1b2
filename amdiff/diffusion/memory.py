"""Dense associative memory of a finite set: the exact energy landscape of a diffusion model (section 2).

A diffusion model of the data ``xi_1 .. xi_K`` has, at each noise level, the marginal density
``p(x) = 1/K sum_mu N(x; scale xi_mu, v I)`` (eq. 4). With the inverse temperature ``beta = 1/(2v)`` its
energy (eq. 5) is that of a dense associative memory with the data as memories (eq. 6):

    E(x) = -1/beta log sum_mu exp(-beta |x - scale xi_mu|^2),    -beta grad E = grad log p = score

- VE process ``x_t ~ N(x_0, sigma^2 t I)``: ``scale = 1``, ``v = sigma^2 t``; ``ve_level`` gives both.
- VP process ``x_t ~ N(sqrt(ab) x_0, (1 - ab) I)``: ``scale = sqrt(ab)``, ``v = 1 - ab``; ``vp_level``.

Retrieval iterates ``x <- sum_mu w_mu scale xi_mu`` with ``w = softmax(-beta |x - scale xi|^2)``. Each iteration moves
``x`` by ``v`` times the score. It is a step of gradient descent on the energy and never raises the energy.

    >>> import torch
    >>> memory = DenseAssociativeMemory(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    >>> memory.energy(torch.tensor([[0.5, 0.0], [0.0, 0.0]]), beta=1.0).round(decimals=3).tolist()
    [0.123, 0.307]
    >>> memory.retrieve(torch.tensor([[0.3, 0.4]]), beta=1.0).state.round(decimals=3).tolist()
    [[0.958, 0.0]]

All arithmetic is in float64 and handles the memories in blocks. Every exponent is shifted by the maximum, so nothing
overflows or underflows at any temperature or image size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from amdiff.errors import AmdiffError

Level = float | Tensor
"""One number for all points, or a tensor (n,) with one number per point."""


def ve_level(t: float, sigma: float = 1.0) -> tuple[float, float]:
    """Return (beta, scale) of the VE process at time ``t > 0``: 1/(2 sigma^2 t) and 1.

    ``sigma`` is the diffusion coefficient, 1 by default.
    """
    return 1 / (2 * sigma**2 * t), 1.0


def vp_level(alpha_bar: float) -> tuple[float, float]:
    """Return (beta, scale) of the VP process: 1/(2 (1 - alpha_bar)) and sqrt(alpha_bar).

    ``alpha_bar`` is the variance share of the signal at the noise level, at least 0 and below 1.
    """
    return 1 / (2 * (1 - alpha_bar)), alpha_bar**0.5


class Retrieval(NamedTuple):
    """The result of retrieval: the final states and the energy along the way."""

    state: Float64[Tensor, "n ..."]
    """The final states, of the same shape as the points that were given."""
    energy: Float64[Tensor, "steps n"]
    """Energy of every visited state, beginning with the given points. It never rises."""
    steps: Int64[Tensor, " n"]
    """Number of steps until a step was no longer than the tolerance, or the maximum if no step was."""


class DenseAssociativeMemory:
    """Energy, score, Jacobian and retrieval for a finite set of memories (eq. 4-6).

    Every method takes points ``x`` (n, *shape) and a noise level, which ``beta`` and ``scale`` define. Each of the two
    is one number for all points or a tensor (n,) with one number per point. ``ve_level`` and ``vp_level`` give both
    numbers. The inverse temperature is ``beta = 1/(2v)``, with the variance ``v`` of the noise. The memories are
    multiplied by ``scale``, which is 1 by default. All arithmetic is in float64.

    Methods raise ``ValueError`` if beta is not positive or if the points do not have the shape of the memories.

    Parameters
    ----------
    memories
        Real numbers, (K, *shape).
    block
        Number of memories that are handled at a time; it bounds the memory in use. Default 4096.

    Raises
    ------
    ValueError
        If there are no memories.
    """

    def __init__(self, memories: Float[Tensor, "k ..."], block: int = 4096) -> None:
        if len(memories) == 0:
            raise AmdiffError("an associative memory needs at least one memory, got none")
        self.shape = tuple(memories.shape[1:])
        self.memories = memories.flatten(1).double()
        self.norms = self.memories.square().sum(1)
        self.block = block

    def energy(self, x: Float[Tensor, "n ..."], beta: Level, scale: Level = 1.0) -> Float64[Tensor, " n"]:
        """Return the energy E(x) of eq. 6, (n,), in squared units of x."""
        point, b, s = self._prepare(x, beta, scale)
        total, _ = self._softmax(point, b, s)
        return point.square().sum(1) - total / b[:, 0]

    def log_density(self, x: Float[Tensor, "n ..."], beta: Level, scale: Level = 1.0) -> Float64[Tensor, " n"]:
        """Return log p(x) of eq. 4, (n,), in nats: ``-beta E - log K - d/2 log(pi / beta)``."""
        inverse = self._prepare(x, beta, scale)[1][:, 0]
        k, d = self.memories.shape
        return -inverse * self.energy(x, beta, scale) - math.log(k) - 0.5 * d * torch.log(torch.pi / inverse)

    def recall(self, x: Float[Tensor, "n ..."], beta: Level, scale: Level = 1.0) -> Float64[Tensor, "n ..."]:
        """Take one step of retrieval and return the new points, (n, *shape).

        The step is ``sum_mu w_mu scale xi_mu``, which is ``scale`` times the posterior mean of x_0.
        """
        point, b, s = self._prepare(x, beta, scale)
        _, mean = self._softmax(point, b, s)
        return (s * mean).view(x.shape)

    def score(self, x: Float[Tensor, "n ..."], beta: Level, scale: Level = 1.0) -> Float64[Tensor, "n ..."]:
        """Return the score, (n, *shape): grad log p(x) = ``(recall(x) - x) / v``."""
        b = self._prepare(x, beta, scale)[1].view(-1, *[1] * (x.ndim - 1))
        return 2 * b * (self.recall(x, beta, scale) - x.double())

    def jacobian(self, x: Float[Tensor, "n ..."], beta: Level, scale: Level = 1.0) -> Float64[Tensor, "n d d"]:
        """Return the Jacobian of the score, (n, d, d): ``(Cov_w(scale xi) / v - I) / v``.

        It is the Hessian of log p; d is the number of entries of a point. The result has n d^2 numbers, so for large d
        use ``jacobian_product``.
        """
        point, b, s = self._prepare(x, beta, scale)
        total, mean = self._softmax(point, b, s)
        second = point.new_zeros(len(point), point.shape[1], point.shape[1])
        for memories, logits in self._blocks(point, b, s):
            weights = (logits - total[:, None]).exp()
            second += torch.einsum("nk,ki,kj->nij", weights, memories, memories)
        covariance = s[:, :, None] ** 2 * (second - mean[:, :, None] * mean[:, None, :])
        precision = 2 * b[:, :, None]
        return precision * (precision * covariance - torch.eye(point.shape[1], dtype=point.dtype, device=point.device))

    def jacobian_product(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."], beta: Level, scale: Level = 1.0
    ) -> Float64[Tensor, "n ..."]:
        """Return the Jacobian of the score at ``x`` times the vectors ``v``, without forming the Jacobian.

        ``v`` and the result have the shape of ``x``, (n, *shape).
        """
        point, b, s = self._prepare(x, beta, scale)
        direction = v.flatten(1).double()
        total, mean = self._softmax(point, b, s)
        product = torch.zeros_like(point)
        for memories, logits in self._blocks(point, b, s):
            weights = (logits - total[:, None]).exp()
            product += (weights * (direction @ memories.T)) @ memories
        covariance = s**2 * (product - mean * (mean * direction).sum(1, keepdim=True))
        return (2 * b * (2 * b * covariance - direction)).view(x.shape)

    def retrieve(
        self,
        x: Float[Tensor, "n ..."],
        beta: Level,
        scale: Level = 1.0,
        *,
        steps: int = 1000,
        tolerance: float = 1e-6,
    ) -> Retrieval:
        """Iterate ``recall`` until every point takes a step no longer than ``tolerance``.

        Parameters
        ----------
        x
            Points where retrieval starts, (n, *shape).
        beta
            Inverse temperature, positive: one number, or one per point (n,).
        scale
            Factor of the memories: one number, or one per point (n,). Default 1.
        steps
            Largest number of iterations. Default 1000.
        tolerance
            Euclidean length of a step at which a point counts as at rest. Default 1e-6.

        Returns
        -------
        Retrieval
            The final states ``state`` (n, *shape), the energies ``energy`` (steps + 1, n) of all visited states, and
            the number of ``steps`` (n,) that each point took.

        Raises
        ------
        ValueError
            If beta is not positive or the points do not have the shape of the memories.
        """
        state = x.double()
        energies = [self.energy(state, beta, scale)]
        taken = torch.full((len(x),), steps, dtype=torch.int64, device=x.device)
        for step in range(1, steps + 1):
            following = self.recall(state, beta, scale)
            still = (following - state).flatten(1).norm(dim=1) <= tolerance
            state = following
            energies.append(self.energy(state, beta, scale))
            taken[still & (taken == steps)] = step
            if still.all():
                break
        return Retrieval(state, torch.stack(energies), taken)

    # -- blocks of memories ---------------------------------------------------------------------

    def _prepare(self, x: Tensor, beta: Level, scale: Level) -> tuple[Tensor, Tensor, Tensor]:
        """Return the points, flattened and in float64 (n, d), and beta and scale as columns (n, 1)."""
        point = x.flatten(1).double()
        if point.shape[1] != self.memories.shape[1]:
            raise AmdiffError(
                f"the points have shape {tuple(x.shape[1:])}, expected the shape {self.shape} of the memories"
            )
        b, s = (
            torch.as_tensor(level, dtype=torch.float64, device=point.device).expand(len(point))[:, None]
            for level in (beta, scale)
        )
        if not (b > 0).all():
            raise AmdiffError(f"the inverse temperature beta must be positive, got {beta}")
        return point, b, s

    def _blocks(self, point: Tensor, beta: Tensor, scale: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield blocks of memories and their logits ``beta (|x|^2 - |x - scale xi|^2)``.

        The logits leave out the term ``-beta |x|^2``, which all memories share.
        """
        for start in range(0, len(self.memories), self.block):
            memories = self.memories[start : start + self.block]
            norms = self.norms[start : start + self.block]
            yield memories, beta * (2 * scale * (point @ memories.T) - scale**2 * norms)

    def _softmax(self, point: Tensor, beta: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-sum-exp of the logits (n,) and the weighted mean of the memories (n, d), in one pass."""
        top = torch.full_like(beta, -torch.inf)
        total = torch.zeros_like(beta)
        mean = torch.zeros_like(point)
        for memories, logits in self._blocks(point, beta, scale):
            higher = torch.maximum(top, logits.max(dim=1, keepdim=True).values)
            weights = (logits - higher).exp()
            shrink = (top - higher).exp()
            total = total * shrink + weights.sum(1, keepdim=True)
            mean = mean * shrink + weights @ memories
            top = higher
        return (top + total.log())[:, 0], mean / total
