"""Training of a diffusion model (appendix B)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from .base import Seed, Spec
from .precision import Precision


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
    precision: Precision = "float32"
    """Arithmetic of the network in training. Sampling and each analysis have a precision of their own.

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
