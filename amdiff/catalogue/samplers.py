"""The samplers of images; the function of the same name in ``amdiff.diffusion.samplers`` takes their steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal


@dataclass(frozen=True)
class SamplerRecord:
    """What is known of a sampler."""

    evaluations: int = 1
    """Evaluations of the network that a step takes."""
    takes_eta: bool = False
    """Whether it has a choice of how much noise a step adds."""


SAMPLERS = {"ddpm": SamplerRecord(), "ddim": SamplerRecord(takes_eta=True)}
"""Every sampler, by name."""

if TYPE_CHECKING:
    SamplerName = str
else:
    SamplerName = Literal[tuple(SAMPLERS)]
    """Name of a sampler."""
