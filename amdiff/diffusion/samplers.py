"""Samplers: the steps that lead from noise to data.

A sampler is a list of steps. A step is a function that takes x from one time to the next. So one loop
(``sampling.reverse``) works for every process, and for samplers that call the network several times in a step.

The samplers of the VP process visit a decreasing subset of the times. The step from t to the next time s is affine in x
and in the predicted image. After the last time, ``alpha_bar`` is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from amdiff.config import SamplingSpec
from amdiff.errors import AmdiffError

from .denoisers import Denoiser
from .processes import Process, Schedule, VarianceExploding

Draw = Callable[[Tensor], Tensor]
"""A function that returns new standard normal noise, with the shape and on the device of its argument."""


@runtime_checkable
class Step(Protocol):
    """One step of a sampler, which takes samples from one time to the next."""

    def __call__(self, denoiser: Denoiser, x: Float[Tensor, "n ..."], draw: Draw, clip: bool) -> Float[Tensor, "n ..."]:
        """Return the samples at the next time, (n, *shape).

        Parameters
        ----------
        denoiser
            The denoiser, which predicts the noise in x.
        x
            Samples at the time of the step, (n, *shape).
        draw
            Function that takes a tensor and returns new standard normal noise of its shape, on its device. A
            deterministic step does not call it.
        clip
            Whether to clip the predicted images to [-1, 1].
        """
        ...


@dataclass(frozen=True)
class AffineStep:
    """A step of DDPM or of DDIM: x_s = keep x_t + predict x0 + noise n."""

    time: int
    """The time t of the step, an index of a noise level."""
    x0_from_x: float
    """Factor of x_t in the predicted image x0 = x0_from_x x_t - x0_from_eps eps."""
    x0_from_eps: float
    """Factor of the predicted noise eps in the predicted image."""
    keep: float
    """Factor of x_t."""
    predict: float
    """Factor of the predicted image x0."""
    noise: float
    """Standard deviation of the added noise; 0 for a deterministic step."""

    def __call__(self, denoiser: Denoiser, x: Float[Tensor, "n ..."], draw: Draw, clip: bool) -> Float[Tensor, "n ..."]:
        eps = denoiser(x, torch.full((len(x),), self.time, dtype=torch.int64, device=x.device))
        x0 = self.x0_from_x * x - self.x0_from_eps * eps
        if clip:
            x0 = x0.clamp(-1, 1)
        x = self.keep * x + self.predict * x0
        return x + self.noise * draw(x) if self.noise else x


def ddpm_steps(schedule: Schedule, count: int | None) -> list[AffineStep]:
    """Return the steps of DDPM: ancestral sampling from the posterior q(x_s | x_t, x_0), with its variance.

    The variance is the one called "fixed small" (Ho et al. 2020, eq. 6-7).

    Parameters
    ----------
    schedule
        The noise levels.
    count
        Number of steps, 1 to T, at evenly spaced times; None means all T times.

    Raises
    ------
    ValueError
        If the count is out of range.
    """
    out = []
    for time, here, there in _pairs(schedule, count):
        beta = 1 - here / there
        keep = np.sqrt(here / there) * (1 - there) / (1 - here)
        predict = np.sqrt(there) * beta / (1 - here)
        noise = np.sqrt(beta * (1 - there) / (1 - here))
        out.append(_affine(time, here, keep, predict, noise))
    return out


def ddim_steps(schedule: Schedule, count: int | None, eta: float = 0.0, start: int | None = None) -> list[AffineStep]:
    """Return the steps of DDIM (Song et al. 2021, eq. 12 and 16).

    If predicted images are clipped, the steps use the noise direction that agrees with the clipped image.

    Parameters
    ----------
    schedule
        The noise levels.
    count
        Number of steps, 1 to start + 1, at evenly spaced times; None means all times.
    eta
        Amount of noise in each step: 0 is deterministic, 1 has the variance of DDPM. Default 0.
    start
        The time of the first step, 0 to T-1; None means T-1.

    Raises
    ------
    ValueError
        If the count or the start is out of range.
    """
    out = []
    for time, here, there in _pairs(schedule, count, start):
        noise = eta * np.sqrt((1 - there) / (1 - here) * (1 - here / there))
        keep = np.sqrt(max(1 - there - noise**2, 0.0) / (1 - here))
        predict = np.sqrt(there) - keep * np.sqrt(here)
        out.append(_affine(time, here, keep, predict, noise))
    return out


def _pairs(schedule: Schedule, count: int | None, start: int | None = None) -> list[tuple[int, float, float]]:
    times = schedule.times(count, start)
    here = schedule.alpha_bar[times]
    there = np.append(here[1:], 1.0)
    return list(zip(times.tolist(), here.tolist(), there.tolist(), strict=True))


def _affine(time: int, here: float, keep: float, predict: float, noise: float) -> AffineStep:
    return AffineStep(time, here**-0.5, (1 / here - 1) ** 0.5, float(keep), float(predict), float(noise))


@dataclass(frozen=True)
class EulerMaruyamaStep:
    """A step of Euler-Maruyama for the reverse VE process ``dx = -sigma^2 s dt + sigma dW`` (eq. 20)."""

    process: VarianceExploding
    """The process that is reversed."""
    time: float
    """The time t of the step."""
    following: float
    """The time after the step."""
    last: bool
    """Whether this is the last step, which adds no noise: x goes to the posterior mean of the data."""

    def __call__(self, denoiser: Denoiser, x: Float[Tensor, "n ..."], draw: Draw, clip: bool) -> Float[Tensor, "n ..."]:
        if clip:
            raise AmdiffError("Euler-Maruyama predicts no image, so there is nothing to clip; set clip=False")
        sigma, step = self.process.sigma, self.time - self.following
        t = torch.full((len(x),), self.time, dtype=torch.float32, device=x.device)
        x = x - sigma**2 * step * denoiser(x, t) / (sigma * self.time**0.5)  # the score is -eps / sigma_t
        return x if self.last else x + sigma * step**0.5 * draw(x)


def euler_maruyama_steps(process: VarianceExploding, count: int, end: float) -> list[EulerMaruyamaStep]:
    """Return the steps of Euler-Maruyama for the reverse VE process (eq. 20).

    The times of the steps are evenly spaced from t = 1 down to ``end``. The last step goes from ``end`` to 0 and adds
    no noise. These steps need ``clip=False`` in ``draw``.

    Parameters
    ----------
    process
        The VE process.
    count
        Number of steps.
    end
        The time of the last step, in (0, 1).
    """
    times = torch.linspace(1.0, end, count, dtype=torch.float64).tolist()
    pairs = zip(times, [*times[1:], 0.0], strict=True)
    return [EulerMaruyamaStep(process, a, b, i == count - 1) for i, (a, b) in enumerate(pairs)]


def _ddpm(process: Any, values: Mapping[str, Any]) -> Sequence[Step]:
    return ddpm_steps(process, values["steps"])


def _ddim(process: Any, values: Mapping[str, Any]) -> Sequence[Step]:
    return ddim_steps(process, values["steps"], values["eta"])


def _euler_maruyama(process: Any, values: Mapping[str, Any]) -> Sequence[Step]:
    return euler_maruyama_steps(process, values["steps"], values["end"])


SAMPLERS: dict[str, Callable[[Any, Mapping[str, Any]], Sequence[Step]]] = {
    "ddpm": _ddpm,
    "ddim": _ddim,
    "euler-maruyama": _euler_maruyama,
}
"""The function that makes the steps of each sampler, from the process and the values of the specification."""


def steps_of(process: Process, values: Mapping[str, Any]) -> Sequence[Step]:
    """Return the steps that the values of a sampler's specification describe, as an artifact holds them.

    The sampler is Euler-Maruyama if the values name none.
    """
    return SAMPLERS[values.get("sampler", "euler-maruyama")](process, values)


def sampler_steps(schedule: Schedule, spec: SamplingSpec) -> Sequence[Step]:
    """Return the steps of the sampler that a specification describes."""
    return steps_of(schedule, spec.identity())
