"""Forward processes, and the coefficients of their reversal; numpy only.

A process takes data x_0 to ``x_t = signal_t x_0 + sigma_t n``; ``levels`` gives both numbers.

- VP, the process of DDPM: ``signal = sqrt(alpha_bar_t)``, ``sigma = sqrt(1 - alpha_bar_t)``, with ``alpha_bar_t`` the
  cumulative product of ``1 - beta_t`` and t = 0..T-1.
- VE, the process of the toy model: ``signal = 1``, ``sigma = sigma sqrt(t)``, with t in [0, 1].

A sampler of the VP process visits a decreasing subset of the times; the
step from t to its successor s has the coefficients below, with ``alpha_bar = 1`` after the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64, Num

from amdiff.config import DiffusionSpec


@dataclass(frozen=True)
class Schedule:
    """Noise levels of the VP process."""

    betas: Float64[np.ndarray, " steps"]

    @classmethod
    def of(cls, spec: DiffusionSpec) -> Schedule:
        """The schedule of a specification."""
        if spec.schedule == "cosine":
            return cls.cosine(spec.steps)
        if spec.schedule == "scaled_linear":
            return cls.scaled_linear(spec.steps, spec.beta_start, spec.beta_end)
        return cls.linear(spec)

    @classmethod
    def cosine(cls, steps: int) -> Schedule:
        """Betas whose alpha_bar follows a squared cosine (Nichol and Dhariwal 2021, eq. 17), at most 0.999."""
        return cls(np.array(DiffusionSpec(schedule="cosine", steps=steps).betas))

    @classmethod
    def linear(cls, spec: DiffusionSpec | None = None) -> Schedule:
        """Betas rising linearly from beta_start to beta_end (Ho et al. 2020, section 4); DDPM's own for None."""
        spec = spec or DiffusionSpec()
        return cls(np.linspace(spec.beta_start, spec.beta_end, spec.steps))

    @classmethod
    def scaled_linear(cls, steps: int, beta_start: float, beta_end: float) -> Schedule:
        """Betas whose square roots rise linearly (Rombach et al. 2022, in the code of latent diffusion)."""
        return cls(np.linspace(beta_start**0.5, beta_end**0.5, steps) ** 2)

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

    def levels(self, t: Num[np.ndarray, "..."]) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
        """Signal and sigma at times 0..T-1, whole or between.

        Between two times the logarithm of alpha_bar is linear: beta is constant there.
        """
        if np.issubdtype(t.dtype, np.integer):
            alpha_bar = self.alpha_bar[t]
        else:
            alpha_bar = np.exp(np.interp(t, np.arange(len(self)), np.log(self.alpha_bar)))
        return np.asarray(np.sqrt(alpha_bar)), np.asarray(np.sqrt(1 - alpha_bar))

    @property
    def end(self) -> float:
        """The last time, T - 1."""
        return float(len(self) - 1)

    def time_of(self, ratio: float) -> float:
        """The time, whole or between, at which sigma / signal is ``ratio``."""
        logs = np.log(self.alpha_bar)
        return float(np.interp(np.log1p(ratio**2), -logs, np.arange(len(self))))

    def times(self, count: int | None, start: int | None = None) -> Int64[np.ndarray, " count"]:
        """``count`` times from ``start`` (T-1 for None) down to 0: a rounded linspace; all of them for None.

        Raises ``ValueError`` unless 0 <= start < T and 1 <= count <= start + 1.
        """
        start = len(self) - 1 if start is None else start
        if not 0 <= start < len(self):
            raise ValueError(f"times are 0 to {len(self) - 1}, got a start at {start}")
        count = start + 1 if count is None else count
        if not 1 <= count <= start + 1:
            raise ValueError(f"between 1 and {start + 1} sampling steps are possible, got {count}")
        return np.rint(np.linspace(start, 0, count)).astype(np.int64)


@dataclass(frozen=True)
class VarianceExploding:
    """Noise levels of the VE process ``dx = sigma dW``, t in [0, 1] (eq. 19)."""

    sigma: float = 1.0

    def levels(self, t: Num[np.ndarray, "..."]) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
        """Signal, which is 1, and sigma_t."""
        return np.ones(t.shape), np.asarray(self.sigma * np.sqrt(t.astype(np.float64)))

    @property
    def end(self) -> float:
        """The last time."""
        return 1.0

    def time_of(self, ratio: float) -> float:
        """The time at which sigma_t is ``ratio``."""
        return (ratio / self.sigma) ** 2


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


def ddim_steps(schedule: Schedule, count: int | None, eta: float = 0.0, start: int | None = None) -> list[Step]:
    """DDIM (Song et al. 2021, eq. 12 and 16) from the time ``start``, T-1 for None.

    The noise direction is the one that fits the clipped x0.
    """
    out = []
    for time, here, there in _pairs(schedule, count, start):
        noise = eta * np.sqrt((1 - there) / (1 - here) * (1 - here / there))
        keep = np.sqrt(max(1 - there - noise**2, 0.0) / (1 - here))
        predict = np.sqrt(there) - keep * np.sqrt(here)
        out.append(_step(time, here, keep, predict, noise))
    return out


def _pairs(schedule: Schedule, count: int | None, start: int | None = None) -> list[tuple[int, float, float]]:
    times = schedule.times(count, start)
    here = schedule.alpha_bar[times]
    there = np.append(here[1:], 1.0)
    return list(zip(times.tolist(), here.tolist(), there.tolist(), strict=True))


def _step(time: int, here: float, keep: float, predict: float, noise: float) -> Step:
    return Step(time, here**-0.5, (1 / here - 1) ** 0.5, float(keep), float(predict), float(noise))
