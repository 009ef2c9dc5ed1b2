"""How synthetic sets are drawn, and how large they are (appendix B)."""

from __future__ import annotations

import itertools
from typing import Annotated, Any

from pydantic import Field, model_validator

from amdiff.catalogue.samplers import SAMPLERS, SamplerName

from .base import Seed, Spec
from .precision import Evaluated


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


class SamplingSpec(Evaluated, SamplerSpec):
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
        return super().idle() | ({"total"} if self.total is None else set())

    def resolved_for(self, levels: int) -> dict[str, Any]:
        counted = {"per_image", "minimum", "total", "shard_per_image", "shard_largest"}
        values = {key: value for key, value in self.resolved().items() if key not in counted}
        return values | {"steps": self.steps or levels}
