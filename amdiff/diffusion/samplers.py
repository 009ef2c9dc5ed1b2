"""Samplers: the steps that lead from noise to data.

A sampler is a list of steps, and a step is a function that takes x from one time to the next. So one loop
(``sampling.reverse``) serves every process, and samplers that evaluate the network several times a step.

The samplers of the VP process visit a decreasing subset of the times. The step from t to its successor s is affine in
x and in the predicted image, with ``alpha_bar = 1`` after the last time.
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
"""Fresh standard normal noise of the shape and on the device of its argument."""


@runtime_checkable
class Step(Protocol):
    """One step of a sampler."""

    def __call__(self, denoiser: Denoiser, x: Float[Tensor, "n ..."], draw: Draw, clip: bool) -> Float[Tensor, "n ..."]:
        """x at the next time.

        Parameters
        ----------
        denoiser
            Predicts the noise in x.
        x
            Samples at the time of the step, (n, *shape).
        draw
            Gives fresh noise; a deterministic step does not call it.
        clip
            Whether predicted images are clipped to [-1, 1].
        """
        ...


@dataclass(frozen=True)
class AffineStep:
    """x_s = keep x_t + predict x0 + noise n, for DDPM and DDIM alike."""

    time: int
    x0_from_x: float
    """x0 = x0_from_x x_t - x0_from_eps eps."""
    x0_from_eps: float
    keep: float
    predict: float
    noise: float

    def __call__(self, denoiser: Denoiser, x: Float[Tensor, "n ..."], draw: Draw, clip: bool) -> Float[Tensor, "n ..."]:
        eps = denoiser(x, torch.full((len(x),), self.time, dtype=torch.int64, device=x.device))
        x0 = self.x0_from_x * x - self.x0_from_eps * eps
        if clip:
            x0 = x0.clamp(-1, 1)
        x = self.keep * x + self.predict * x0
        return x + self.noise * draw(x) if self.noise else x


def ddpm_steps(schedule: Schedule, count: int | None) -> list[AffineStep]:
    """Ancestral sampling with the posterior q(x_s | x_t, x_0) and its variance ("fixed small").

    Ho et al. 2020, eq. 6-7, for a strided subset of ``count`` times; all of them for None.
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
    """DDIM (Song et al. 2021, eq. 12 and 16) from the time ``start``, T-1 for None.

    The noise direction is the one that fits the clipped x0.
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
    """A step of ``dx = -sigma^2 s dt + sigma dW`` backwards in time, of the VE process (eq. 20)."""

    process: VarianceExploding
    time: float
    following: float
    last: bool
    """Whether it adds no noise: from the last time on, x goes to the mean of the data given it."""

    def __call__(self, denoiser: Denoiser, x: Float[Tensor, "n ..."], draw: Draw, clip: bool) -> Float[Tensor, "n ..."]:
        if clip:
            raise AmdiffError("Euler-Maruyama predicts no image that could be clipped; set clip=False")
        sigma, step = self.process.sigma, self.time - self.following
        t = torch.full((len(x),), self.time, dtype=torch.float32, device=x.device)
        x = x - sigma**2 * step * denoiser(x, t) / (sigma * self.time**0.5)  # the score is -eps / sigma_t
        return x if self.last else x + sigma * step**0.5 * draw(x)


def euler_maruyama_steps(process: VarianceExploding, count: int, end: float) -> list[EulerMaruyamaStep]:
    """``count`` steps from t = 1 down to ``end``, from which the last one goes on to 0."""
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
"""Steps of each sampler by its name: from the process that it reverses and from the values of its specification."""


def steps_of(process: Process, values: Mapping[str, Any]) -> Sequence[Step]:
    """The steps that a sampler's values mean, as an artifact holds them; Euler-Maruyama where they name none."""
    return SAMPLERS[values.get("sampler", "euler-maruyama")](process, values)


def sampler_steps(schedule: Schedule, spec: SamplingSpec) -> Sequence[Step]:
    """The steps of the sampler that a specification asks for."""
    return steps_of(schedule, spec.identity())
