"""Forward processes of diffusion models (section 4.1, appendix B)."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Probability, Spec


def cosine_betas(steps: int) -> list[float]:
    """Betas whose alpha_bar follows a squared cosine (Nichol and Dhariwal 2021, eq. 17). None exceeds 0.999."""
    kept = [math.cos((i / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(steps + 1)]
    return [min(1 - after / before, 0.999) for before, after in itertools.pairwise(kept)]


class ProcessSpec(Spec):
    """A forward process ``x_t = signal_t x_0 + sigma_t n``."""

    process: ClassVar[str]
    """Its name in ``amdiff.diffusion.processes.PROCESSES``."""

    @property
    def levels(self) -> int:
        """Number of its noise levels; 1 if time is continuous."""
        return 1


class DiffusionSpec(ProcessSpec):
    """The VP forward process of DDPM (Ho et al. 2020)."""

    process: ClassVar[str] = "vp"

    schedule: Literal["linear", "scaled_linear", "cosine"] = "linear"
    """Schedule of the betas: 'linear', 'scaled_linear' (their square roots are linear, as in latent diffusion), or
    'cosine' (Nichol and Dhariwal 2021)."""
    steps: Annotated[int, Field(ge=2, le=100_000)] = 1000
    """T, the number of noise levels."""
    beta_start: Probability = 1e-4
    """Beta of the first step."""
    beta_end: Probability = 0.02
    """Beta of the last step."""

    @property
    def levels(self) -> int:
        return self.steps

    @property
    def betas(self) -> list[float]:
        """The beta of each step."""
        if self.schedule == "cosine":
            return cosine_betas(self.steps)
        power = 2 if self.schedule == "scaled_linear" else 1
        low, high = self.beta_start ** (1 / power), self.beta_end ** (1 / power)
        return [(low + (high - low) * i / (self.steps - 1)) ** power for i in range(self.steps)]

    def idle(self) -> set[str]:
        """A linear schedule is not named, being the default. A cosine schedule uses neither beta_start nor beta_end."""
        return {"linear": {"schedule"}, "cosine": {"beta_start", "beta_end"}}.get(self.schedule, set())

    @model_validator(mode="after")
    def _increasing(self) -> DiffusionSpec:
        if self.beta_start > self.beta_end:
            raise ValueError("beta_start must not exceed beta_end")
        given = any(getattr(self, name) != type(self).model_fields[name].default for name in ("beta_start", "beta_end"))
        if self.schedule == "cosine" and given:
            raise ValueError("a cosine schedule follows from 'steps' alone; leave beta_start and beta_end out")
        decay = -math.fsum(math.log1p(-beta) for beta in self.betas)
        if decay > 150:  # samples are float32, in which 1 / sqrt(alpha_bar_T) must be a number
            raise ValueError(
                f"{self.steps} steps with a beta up to {self.beta_end:g} leave no signal at all: alpha_bar_T is "
                f"exp(-{decay:.0f}), at least exp(-150) was expected; lower beta_end or steps"
            )
        return self
