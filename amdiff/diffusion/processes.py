"""Forward processes: how data become noise.

A process takes data x_0 to ``x_t = signal_t x_0 + sigma_t n``; ``levels`` gives both numbers.

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

    All that trains, samples or has a closed form asks a process for its levels, and knows no process by name.
    """

    count: int = 1
    """Number of its noise levels, which are the times 0, 1, ...; 1 where time is continuous."""

    @abstractmethod
    def levels(self, t: Num[np.ndarray, "..."]) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
        """Signal and sigma at times ``t``."""

    @property
    @abstractmethod
    def end(self) -> float:
        """The last time, where samples begin."""

    @property
    def noise_at_end(self) -> float:
        """Standard deviation of the noise that samples begin with."""
        return 1.0

    @abstractmethod
    def time_of(self, ratio: float) -> float:
        """The time at which sigma / signal is ``ratio``."""

    @abstractmethod
    def draw_times(self, count: int, generator: torch.Generator) -> Num[Tensor, " count"]:
        """Random times of a training step, on the CPU."""

    @abstractmethod
    def float_levels(self, t: Num[Tensor, " n"]) -> tuple[Tensor | float, Tensor]:
        """Signal and sigma at times, float32 (n,), on the times' device."""


class Schedule(Process):
    """Noise levels of the VP process.

    Parameters
    ----------
    betas
        Of each step, float64 (T,), in (0, 1).
    """

    def __init__(self, betas: Float64[np.ndarray, " steps"]) -> None:
        self.betas = betas
        self.count = len(betas)
        self._tables: dict[torch.device, tuple[Tensor, Tensor]] = {}

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

    def draw_times(self, count: int, generator: torch.Generator) -> Num[Tensor, " count"]:
        """Uniform over the noise levels, int64."""
        import torch

        return torch.randint(self.count, (count,), generator=generator)

    def float_levels(self, t: Num[Tensor, " n"]) -> tuple[Tensor | float, Tensor]:
        """Signal and sigma at whole times, float32 (n,)."""
        import torch

        if t.device not in self._tables:
            signal, sigma = torch.from_numpy(np.sqrt(self.alpha_bar)).float(), torch.from_numpy(self.sigma).float()
            self._tables[t.device] = signal.to(t.device), sigma.to(t.device)
        signal, sigma = self._tables[t.device]
        return signal[t], sigma[t]

    def times(self, count: int | None, start: int | None = None) -> Int64[np.ndarray, " count"]:
        """``count`` times from ``start`` (T-1 for None) down to 0: a rounded linspace; all of them for None.

        Raises ``ValueError`` unless 0 <= start < T and 1 <= count <= start + 1.
        """
        start = len(self) - 1 if start is None else start
        if not 0 <= start < len(self):
            raise AmdiffError(f"times are 0 to {len(self) - 1}, got a start at {start}")
        count = start + 1 if count is None else count
        if not 1 <= count <= start + 1:
            raise AmdiffError(f"between 1 and {start + 1} sampling steps are possible, got {count}")
        return np.rint(np.linspace(start, 0, count)).astype(np.int64)


@dataclass(frozen=True)
class VarianceExploding(Process):
    """Noise levels of the VE process ``dx = sigma dW``, t in [0, 1] (eq. 19)."""

    sigma: float = 1.0
    """Diffusion coefficient."""
    start: float = 0.0
    """The smallest time in training."""

    @property
    def noise_at_end(self) -> float:
        return self.sigma

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

    def draw_times(self, count: int, generator: torch.Generator) -> Num[Tensor, " count"]:
        """Uniform over [``start``, 1], float32."""
        import torch

        return self.start + (1 - self.start) * torch.rand(count, generator=generator)

    def float_levels(self, t: Num[Tensor, " n"]) -> tuple[Tensor | float, Tensor]:
        """Signal, which is 1, and sigma at times, float32 (n,)."""
        return 1.0, self.sigma * t.sqrt()


def _vp(values: Mapping[str, Any]) -> Process:
    return Schedule.of(DiffusionSpec.model_validate(values))


def _ve(values: Mapping[str, Any]) -> Process:
    spec = VeSpec.model_validate(values)
    return VarianceExploding(spec.sigma, spec.training_start)


PROCESSES = {"vp": _vp, "ve": _ve}
"""Processes by the kind that their specification names: each from its values, as an artifact holds them."""


def process_of(values: Mapping[str, Any]) -> Process:
    """The forward process of a specification's values; VP where they name no kind."""
    return PROCESSES[values.get("kind", DiffusionSpec.process)](values)
