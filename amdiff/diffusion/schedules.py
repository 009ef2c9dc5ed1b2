"""The forward process of DDPM and the coefficients of its reversal; numpy only.

``x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) n`` with ``alpha_bar_t`` the cumulative
product of ``1 - beta_t`` and t = 0..T-1. A sampler visits a decreasing subset of the times; the
step from t to its successor s has the coefficients below, with ``alpha_bar = 1`` after the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64

from amdiff.config import DiffusionSpec


@dataclass(frozen=True)
class Schedule:
    """Noise levels of the VP process."""

    betas: Float64[np.ndarray, " steps"]

    @classmethod
    def linear(cls, spec: DiffusionSpec) -> Schedule:
        """Betas rising linearly from beta_start to beta_end (Ho et al. 2020, section 4)."""
        return cls(np.linspace(spec.beta_start, spec.beta_end, spec.steps))

    def __len__(self) -> int:
        return len(self.betas)

    @cached_property
    def alpha_bar(self) -> Float64[np.ndarray, " steps"]:
        """Share of the variance that is signal, at each time."""
        return np.cumprod(1 - self.betas)

    @cached_property
    def sigma(self) -> Float64[np.ndarray, " steps"]:
        """Standard deviation of the noise, sqrt(1 - alpha_bar)."""
        return np.sqrt(1 - self.alpha_bar)

    def times(self, count: int | None) -> Int64[np.ndarray, " count"]:
        """``count`` times from T-1 down to 0: a rounded linspace; all of them for None.

        Raises ``ValueError`` unless 1 <= count <= T.
        """
        count = len(self) if count is None else count
        if not 1 <= count <= len(self):
            raise ValueError(f"between 1 and {len(self)} sampling steps are possible, got {count}")
        return np.rint(np.linspace(len(self) - 1, 0, count)).astype(np.int64)


@dataclass(frozen=True)
class Step:
    """One step of a sampler: x_s = keep x_t + predict x0 + (noise_scale) n, for DDPM and DDIM alike."""

    time: int
    x0_from_x: float
    """x0 = x0_from_x x_t - x0_from_eps eps."""
    x0_from_eps: float
    keep: float
    predict: float
    noise: float


def ddpm_steps(schedule: Schedule, count: int | None) -> list[Step]:
    """Ancestral sampling with the posterior q(x_s | x_t, x_0) and its variance ("fixed small").

    Ho et al. 2020, eq. 6-7, for a strided subset of times.
    """
    out = []
    for time, here, there in _pairs(schedule, count):
        beta = 1 - here / there
        keep = np.sqrt(here / there) * (1 - there) / (1 - here)
        predict = np.sqrt(there) * beta / (1 - here)
        noise = np.sqrt(beta * (1 - there) / (1 - here))
        out.append(_step(time, here, keep, predict, noise))
    return out


def ddim_steps(schedule: Schedule, count: int | None, eta: float = 0.0) -> list[Step]:
    """DDIM (Song et al. 2021, eq. 12 and 16); the noise direction is the one that fits the clipped x0."""
    out = []
    for time, here, there in _pairs(schedule, count):
        noise = eta * np.sqrt((1 - there) / (1 - here) * (1 - here / there))
        keep = np.sqrt(max(1 - there - noise**2, 0.0) / (1 - here))
        predict = np.sqrt(there) - keep * np.sqrt(here)
        out.append(_step(time, here, keep, predict, noise))
    return out


def _pairs(schedule: Schedule, count: int | None) -> list[tuple[int, float, float]]:
    times = schedule.times(count)
    here = schedule.alpha_bar[times]
    there = np.append(here[1:], 1.0)
    return list(zip(times.tolist(), here.tolist(), there.tolist(), strict=True))


def _step(time: int, here: float, keep: float, predict: float, noise: float) -> Step:
    return Step(time, here**-0.5, (1 / here - 1) ** 0.5, float(keep), float(predict), float(noise))
