"""Twins: two models of disjoint training sets, which draw from the same noise.

Two samples of one model may lie close together by chance, since images fill a continuum. The twin tells how often: it
has seen none of the training images, so a sample that is near to one of its samples is near by coincidence. And from
the same noise both models draw nearly the same image once they generalize (Kadkhodaie et al. 2023; Zhang et al. 2023).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from amdiff.errors import AmdiffError

from .intervals import Estimate, wilson
from .rarefaction import recurrent_estimate


@dataclass(frozen=True)
class Twins:
    """What the samples of a model and of its twin have in common."""

    set_size: int
    """Number of samples of the sets that the shares are for."""
    coincidence: Estimate
    """Share of the samples that are not memorized and have a sample of the twin, from other noise, within delta_s.
    Chance alone would give this spurious share."""
    neighbours: float
    """Mean number of samples of the same model within delta_s of a sample that is not memorized."""
    twin_neighbours: float
    """The same for samples of the twin."""
    agreement: Estimate
    """Share of the pairs drawn from the same noise that are within delta_s of each other."""
    same_noise: float
    """Mean distance of pairs drawn from the same noise, in the metric's unit."""
    other_noise: float
    """Mean distance of pairs drawn from different noise."""

    def as_json(self) -> dict[str, Any]:
        """Return the result as plain data."""
        estimates = ("coincidence", "agreement")
        return {**asdict(self), **{name: getattr(self, name)._asdict() for name in estimates}}


def compare_twins(
    counted: Bool[np.ndarray, " n"],
    own: Int64[np.ndarray, " n"],
    twin: Int64[np.ndarray, "n p"],
    parts: Int64[np.ndarray, " n"],
    same: Float64[np.ndarray, " n"],
    other: Float64[np.ndarray, " n"],
    delta_s: float,
    size: int,
    confidence: float = 0.95,
) -> Twins:
    """Compare the samples of a model with those of its twin.

    Parameters
    ----------
    counted
        Whether each sample is not memorized, (n,).
    own
        Number of other samples of the same model within delta_s of each sample, (n,).
    twin
        Number of samples of the twin within delta_s, by part of the twin's samples, (n, p); see ``cross_counts``.
        The twin's sample from the same noise is taken out here, since it is near for another reason than chance.
    parts
        Number of the part of each sample, of both models, (n,), from ``parts_of``.
    same, other
        Distances of each sample to the twin's sample from the same noise and from another noise, (n,).
    delta_s
        The threshold, in the metric's unit.
    size
        Number of samples of the sets that the shares are for, at most n.
    confidence
        Level of the intervals, between 0 and 1. Default 0.95.

    Raises
    ------
    ValueError
        Where there are fewer than two samples.
    """
    n = len(counted)
    if n < 2:
        raise AmdiffError(f"twins are compared by at least two samples of each, got {n}")
    chance = twin.copy()
    chance[np.arange(n), parts] -= same <= delta_s
    near = chance.sum(axis=1)
    coincidence, _ = recurrent_estimate(counted, near, chance, parts, size, confidence)
    return Twins(
        set_size=size,
        coincidence=coincidence,
        neighbours=float(own[counted].mean()) if counted.any() else 0.0,
        twin_neighbours=float(near[counted].mean()) if counted.any() else 0.0,
        agreement=wilson(float((same <= delta_s).mean()), n, confidence),
        same_noise=float(same.mean()),
        other_noise=float(other.mean()),
    )
