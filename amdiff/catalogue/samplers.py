"""The samplers of images. ``amdiff.diffusion.samplers.SAMPLERS`` makes the steps of each, by the same name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal


@dataclass(frozen=True)
class SamplerRecord:
    """The record of a sampler."""

    evaluations: int = 1
    """Number of evaluations of the network per step."""
    takes_eta: bool = False
    """Whether it has the setting eta, the amount of noise that a step adds."""


SAMPLERS = {"ddpm": SamplerRecord(), "ddim": SamplerRecord(takes_eta=True)}
"""Every sampler, by name."""

if TYPE_CHECKING:
    SamplerName = str
else:
    SamplerName = Literal[tuple(SAMPLERS)]
    """Name of a sampler."""
