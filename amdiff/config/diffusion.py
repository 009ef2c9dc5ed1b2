"""Diffusion models: forward process, training, sampling (section 4.1, appendix B)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from amdiff.catalogue.samplers import SAMPLERS, SamplerName

from .base import Probability, Seed, Spec


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


class LogSnapshots(Spec):
    """Snapshots at steps that are evenly spaced on a logarithmic axis."""

    log: Annotated[int, Field(ge=2, le=1000)]
    """Number of steps, of which the last is that of the whole training."""
    first: Annotated[int, Field(ge=1)] = 100
    """The first step."""


def _form(value: Any) -> str:
    return "log" if isinstance(value, (Mapping, LogSnapshots)) else "list"


Snapshots = Annotated[
    Annotated[tuple[Annotated[int, Field(ge=1)], ...], Tag("list")] | Annotated[LogSnapshots, Tag("log")],
    Discriminator(_form),
]
"""Steps of a training: a list, or evenly spaced ones on a logarithmic axis."""


class TrainingSpec(Spec):
    """Noise prediction by mean squared error (DDPM, eq. 14), with Adam and an EMA of the weights."""

    iterations: Annotated[int, Field(ge=1)] = 500_000
    """Optimizer steps."""
    iterations_by_size: dict[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(default={})
    """Exceptions, as {K: steps}. An entry holds for training sets of at most K images. If several entries fit, the
    one with the smallest K holds."""
    batch_size: Annotated[int, Field(ge=1)] = 128
    """Images per step, drawn with replacement. Each one has its own noise level."""
    cap_batch: bool = True
    """Take at most K images per step, as in the paper. With false, a step draws batch_size images even if K is
    smaller."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-4
    """Learning rate of Adam."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Number of steps at the start, over which the rate rises linearly to learning_rate."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Learning rate after the warm-up: 'constant', or 'cosine' for half a cosine that reaches 0 at the last step."""
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    """Largest norm of the gradient; null for no clipping."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.9999
    """Decay of the moving average of the weights. Samples are drawn with this average."""
    ema_warmup: bool = True
    """Use the decay min(ema_decay, (1 + i) / (10 + i)) at step i. Without it, the average after a short training still
    contains the untrained weights."""
    precision: Literal["float32", "tfloat32", "bfloat16"] = "float32"
    """Arithmetic of the network in training. Sampling and analyses use float32.

    'tfloat32' multiplies numbers of 10 bits on recent NVIDIA GPUs, as PyTorch does by default in convolutions.
    'bfloat16' uses autocast. Weights are float32 in each case.
    """
    seed: Seed = 0
    snapshots: Snapshots = ()
    """Steps at which the model is also sampled and sorted into phases, for a map over training time: a list, or
    {log: 12} for that many steps on a logarithmic axis. The rate must be constant. A snapshot is then the same as a
    training of so many steps, and has its address."""

    def idle(self) -> set[str]:
        """Without snapshots there is no map over training time."""
        return super().idle() | ({"snapshots"} if not self.snapshots else set())

    def steps_for(self, size: int) -> tuple[int, ...]:
        """The steps at which the model of ``size`` images is looked at, in increasing order. The last is the whole."""
        last = self.iterations_for(size)
        if isinstance(self.snapshots, LogSnapshots):
            first, count = min(self.snapshots.first, last), self.snapshots.log
            wanted = [round(first * (last / first) ** (i / (count - 1))) for i in range(count)]
        else:
            wanted = list(self.snapshots)
        return tuple(sorted({*(step for step in wanted if step < last), last}))

    @model_validator(mode="after")
    def _constant_rate(self) -> TrainingSpec:
        if self.snapshots and self.schedule != "constant":
            raise ValueError(
                f"snapshots: need 'schedule: constant', got {self.schedule!r}, under which a model at an early step is "
                "not the model of a training of so many steps"
            )
        return self

    def resolved_for(self, size: int) -> dict[str, Any]:
        """The values of ``resolved`` for the model that is trained on ``size`` images."""
        values = self.resolved()
        values.pop("snapshots", None)
        del values["iterations_by_size"], values["cap_batch"]
        return {**values, "iterations": self.iterations_for(size), "batch_size": self.batch_for(size)}

    def batch_for(self, size: int) -> int:
        """Number of images per step for the model that is trained on ``size`` images."""
        return min(self.batch_size, size) if self.cap_batch else self.batch_size

    def iterations_for(self, size: int) -> int:
        """Number of optimizer steps for the model that is trained on ``size`` images."""
        fitting = [k for k in self.iterations_by_size if size <= k]
        return self.iterations_by_size[min(fitting)] if fitting else self.iterations


class SamplerSpec(Spec):
    """How a synthetic set is drawn, and how large it is."""

    def samples_for(self, size: int) -> int:
        """|S'|, the number of samples, for a training set of ``size``."""
        raise NotImplementedError

    def shards(self, size: int) -> list[tuple[int, int]]:
        """Ranges [start, stop) of samples. One artifact holds the samples of one range."""
        return [(0, self.samples_for(size))]

    def resolved_for(self, levels: int) -> dict[str, Any]:
        """The values that decide a sample, for a process of ``levels`` noise levels. They do not include the count."""
        raise NotImplementedError


class SamplingSpec(SamplerSpec):
    """How the synthetic set S' is drawn, and how large it is."""

    sampler: SamplerName = "ddpm"
    """'ddpm' is ancestral DDPM (fixed-small variance), 'ddim' is DDIM."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """Number of network evaluations per sample, at a rounded linspace of noise levels from T-1 to 0; null for all T
    levels."""
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Noise of DDIM: 0 is deterministic, 1 adds as much noise as DDPM. With 'ddpm' it must be 0, since it has no
    effect."""
    clip: bool = True
    """Clip the predicted x0 to [-1, 1] at each step."""
    per_image: Annotated[int, Field(ge=1)] = 4
    """m, the number of samples per training image: |S'| = m K."""
    minimum: Annotated[int, Field(ge=2)] = 2
    """|S'| is at least this number."""
    total: Annotated[int, Field(ge=2)] | None = None
    """|S'| itself, the same for every K. With null, per_image and minimum decide |S'|."""
    shard_per_image: Annotated[int, Field(ge=1)] = 4
    """Shards end at multiples of this number times K, so that |S'| = 8K reuses the shards of |S'| = 4K."""
    shard_largest: Annotated[int, Field(ge=2)] = 16_384
    """Largest number of samples in a shard. A shard is held in memory while it is written."""
    seed: Seed = 0

    @model_validator(mode="after")
    def _eta_is_used(self) -> SamplingSpec:
        if self.eta != 0 and not SAMPLERS[self.sampler].takes_eta:
            named = " or ".join(repr(name) for name, sampler in SAMPLERS.items() if sampler.takes_eta)
            raise ValueError(f"eta belongs to sampler {named}; {self.sampler!r} has no such setting, leave it out")
        return self

    def samples_for(self, size: int) -> int:
        """|S'| for a training set of ``size`` images."""
        return self.total or max(self.per_image * size, self.minimum)

    def shards(self, size: int) -> list[tuple[int, int]]:
        """Ranges [start, stop) that partition [0, count).

        Boundaries lie at multiples of ``max(shard_per_image K, minimum)`` and, within these, at multiples of
        ``shard_largest``. They do not depend on the count, so the shards of |S'| = 4K are among those of |S'| = 8K.
        If the total is given, they lie at multiples of ``shard_largest`` alone.
        """
        count = self.samples_for(size)
        block = self.shard_largest if self.total else max(self.shard_per_image * size, self.minimum)
        edges = {a + b for a in range(0, count, block) for b in range(0, block, self.shard_largest)}
        return list(itertools.pairwise([*sorted(e for e in edges if e < count), count]))

    def idle(self) -> set[str]:
        """A total that is left out has no effect."""
        return {"total"} if self.total is None else set()

    def resolved_for(self, levels: int) -> dict[str, Any]:
        counted = {"per_image", "minimum", "total", "shard_per_image", "shard_largest"}
        values = {key: value for key, value in self.resolved().items() if key not in counted}
        return values | {"steps": self.steps or levels}
