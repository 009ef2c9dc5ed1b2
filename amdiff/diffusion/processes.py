"""Forward processes, which turn data into noise.

A process takes data x_0 to ``x_t = signal_t x_0 + sigma_t n``, where n is standard normal noise. ``levels`` returns
signal_t and sigma_t.

- VP, the process of DDPM: ``signal = sqrt(alpha_bar_t)``, ``sigma = sqrt(1 - alpha_bar_t)``, with ``alpha_bar_t`` the
  cumulative product of ``1 - beta_t`` and t = 0..T-1.
- VE, the process of the toy model: ``signal = 1``, ``sigma = sigma sqrt(t)``, with t in [0, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int64, Num

from amdiff.config import DiffusionSpec, VeSpec
from amdiff.errors import AmdiffError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Process(ABC):
    """A forward process ``x_t = signal_t x_0 + sigma_t n``.

    Training, sampling and the closed forms use only the methods of this class, so they work for every process. The
    processes are ``Schedule`` (VP, times 0..T-1) and ``VarianceExploding`` (VE, times in [0, 1]).
    """

    count: int = 1
    """Number of noise levels, at the times 0, 1, ...; 1 if time is continuous."""

    @abstractmethod
    def levels(self, t: Num[np.ndarray, "..."]) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
        """Return signal and sigma at times ``t``, in float64, each of the shape of ``t``."""

    @property
    @abstractmethod
    def end(self) -> float:
        """The last time, at which sampling starts."""

    @property
    def noise_at_end(self) -> float:
        """Standard deviation of the pure noise from which sampling starts."""
        return 1.0

    @abstractmethod
    def time_of(self, ratio: float) -> float:
        """Return the time at which sigma / signal is ``ratio``."""

    @abstractmethod
    def draw_times(self, count: int, generator: torch.Generator) -> Num[Tensor, " count"]:
        """Draw random times for a training step, (count,), on the CPU."""

    @abstractmethod
    def float_levels(self, t: Num[Tensor, " n"]) -> tuple[Tensor | float, Tensor]:
        """Return signal and sigma at times ``t``, float32 (n,), on the device of ``t``. Signal may be one number."""


class Schedule(Process):
    """Noise levels of the VP process, in discrete time: t = 0..T-1.

    ``signal_t = sqrt(alpha_bar_t)`` and ``sigma_t = sqrt(1 - alpha_bar_t)``, where ``alpha_bar_t`` is the cumulative
    product of ``1 - beta_t`` (Ho et al. 2020). ``Schedule.linear()`` is the schedule of DDPM.

    Parameters
    ----------
    betas
        The beta of each step, float64 (T,), in (0, 1).
    """

    def __init__(self, betas: Float64[np.ndarray, " steps"]) -> None:
        self.betas = betas
        self.count = len(betas)
        self._tables: dict[torch.device, tuple[Tensor, Tensor]] = {}

    @classmethod
    def of(cls, spec: DiffusionSpec) -> Schedule:
        """Return the schedule that a specification describes."""
        if spec.schedule == "cosine":
            return cls.cosine(spec.steps)
        if spec.schedule == "scaled_linear":
            return cls.scaled_linear(spec.steps, spec.beta_start, spec.beta_end)
        return cls.linear(spec)

    @classmethod
    def cosine(cls, steps: int) -> Schedule:
        """Return the cosine schedule: alpha_bar follows a squared cosine (Nichol and Dhariwal 2021, eq. 17).

        ``steps`` is the number of noise levels T. Betas are at most 0.999.
        """
        return cls(np.array(DiffusionSpec(schedule="cosine", steps=steps).betas))

    @classmethod
    def linear(cls, spec: DiffusionSpec | None = None) -> Schedule:
        """Return the linear schedule: betas rise linearly from beta_start to beta_end (Ho et al. 2020, section 4).

        ``spec`` gives the number of steps and both ends; None means DDPM's values (1000, 1e-4, 0.02).
        """
        spec = spec or DiffusionSpec()
        return cls(np.linspace(spec.beta_start, spec.beta_end, spec.steps))

    @classmethod
    def scaled_linear(cls, steps: int, beta_start: float, beta_end: float) -> Schedule:
        """Return the scaled linear schedule: the square roots of the betas rise linearly.

        ``steps`` is the number of noise levels T. The code of latent diffusion uses it (Rombach et al. 2022).
        """
        return cls(np.linspace(beta_start**0.5, beta_end**0.5, steps) ** 2)

    def __len__(self) -> int:
        return len(self.betas)

    @cached_property
    def alpha_bar(self) -> Float64[np.ndarray, " steps"]:
        """Share of the variance that is signal, at each time, (T,)."""
        return np.cumprod(1 - self.betas)

    @cached_property
    def sigma(self) -> Float64[np.ndarray, " steps"]:
        """Standard deviation of the noise at each time, sqrt(1 - alpha_bar), (T,)."""
        return np.sqrt(1 - self.alpha_bar)

    def levels(self, t: Num[np.ndarray, "..."]) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
        """Return signal and sigma at times ``t`` in 0..T-1, in float64, each of the shape of ``t``.

        Times are integers, or floats in between. Between two integers the logarithm of alpha_bar is linear in t, as
        for a constant beta.
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
        """Return the time at which sigma / signal is ``ratio``; it may lie between two noise levels."""
        logs = np.log(self.alpha_bar)
        return float(np.interp(np.log1p(ratio**2), -logs, np.arange(len(self))))

    def draw_times(self, count: int, generator: torch.Generator) -> Num[Tensor, " count"]:
        """Draw times uniformly from the noise levels, int64 (count,), on the CPU."""
        import torch

        return torch.randint(self.count, (count,), generator=generator)

    def float_levels(self, t: Num[Tensor, " n"]) -> tuple[Tensor | float, Tensor]:
        """Return signal and sigma at integer times ``t``, float32 (n,), on the device of ``t``."""
        import torch

        if t.device not in self._tables:
            signal, sigma = torch.from_numpy(np.sqrt(self.alpha_bar)).float(), torch.from_numpy(self.sigma).float()
            self._tables[t.device] = signal.to(t.device), sigma.to(t.device)
        signal, sigma = self._tables[t.device]
        return signal[t], sigma[t]

    def times(self, count: int | None, start: int | None = None) -> Int64[np.ndarray, " count"]:
        """Return the times of a sampler, from ``start`` down to 0, int64 (count,).

        The ``count`` times are evenly spaced and rounded to integers; None means all start + 1 times. The default
        ``start``, None, is T-1. Raises ``ValueError`` unless 0 <= start < T and 1 <= count <= start + 1.
        """
        start = len(self) - 1 if start is None else start
        if not 0 <= start < len(self):
            raise AmdiffError(f"the start must be a time from 0 to {len(self) - 1}, got {start}")
        count = start + 1 if count is None else count
        if not 1 <= count <= start + 1:
            raise AmdiffError(f"the number of sampling steps must be from 1 to {start + 1}, got {count}")
        return np.rint(np.linspace(start, 0, count)).astype(np.int64)


@dataclass(frozen=True)
class VarianceExploding(Process):
    """Noise levels of the VE process ``dx = sigma dW``, in continuous time: t in [0, 1] (eq. 19).

    ``signal_t = 1`` and ``sigma_t = sigma sqrt(t)``.
    """

    sigma: float = 1.0
    """The diffusion coefficient. Default 1."""
    start: float = 0.0
    """The smallest time that training draws, in [0, 1]. Default 0."""

    @property
    def noise_at_end(self) -> float:
        return self.sigma

    def levels(self, t: Num[np.ndarray, "..."]) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
        """Return signal (1) and sigma_t at times ``t``, in float64, each of the shape of ``t``."""
        return np.ones(t.shape), np.asarray(self.sigma * np.sqrt(t.astype(np.float64)))

    @property
    def end(self) -> float:
        """The last time, 1."""
        return 1.0

    def time_of(self, ratio: float) -> float:
        """Return the time at which sigma_t is ``ratio``."""
        return (ratio / self.sigma) ** 2

    def draw_times(self, count: int, generator: torch.Generator) -> Num[Tensor, " count"]:
        """Draw times uniformly from [``start``, 1], float32 (count,), on the CPU."""
        import torch

        return self.start + (1 - self.start) * torch.rand(count, generator=generator)

    def float_levels(self, t: Num[Tensor, " n"]) -> tuple[Tensor | float, Tensor]:
        """Return signal (the number 1) and sigma_t at times ``t``, float32 (n,), on the device of ``t``."""
        return 1.0, self.sigma * t.sqrt()


def _vp(values: Mapping[str, Any]) -> Process:
    return Schedule.of(DiffusionSpec.model_validate(values))


def _ve(values: Mapping[str, Any]) -> Process:
    spec = VeSpec.model_validate(values)
    return VarianceExploding(spec.sigma, spec.training_start)


PROCESSES = {"vp": _vp, "ve": _ve}
"""The constructor of each kind of process, from the values of its specification as an artifact holds them."""


def process_of(values: Mapping[str, Any]) -> Process:
    """Return the forward process that the values of a specification describe; VP if they name no kind."""
    return PROCESSES[values.get("kind", DiffusionSpec.process)](values)
