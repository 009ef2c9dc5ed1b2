"""Twins: two models of disjoint training sets, which draw from the same noise.

Two samples of one model may lie close together by chance, since images fill a continuum. The twin tells how often: it
has seen none of the training images, so a sample that is near to one of its samples is near by coincidence. And from
the same noise both models draw nearly the same image once they generalize (Kadkhodaie et al. 2023; Zhang et al. 2023).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from amdiff.errors import AmdiffError

from .attractors import components
from .intervals import Estimate, wilson
from .rarefaction import recurrent_estimate

Pairs = Iterable[tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]]
"""Blocks of pairs of distinct images."""


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


def joint_sizes(left: Int64[np.ndarray, " g"], right: Int64[np.ndarray, " h"], pairs: Pairs) -> Int64[np.ndarray, " c"]:
    """Return the sizes of the components that near pairs between two sets of samples make, in decreasing order.

    Only pairs of a sample of one set with a sample of the other one count. So the sizes are comparable between two
    halves of one model's samples and a half of them with a half of another model's.

    Parameters
    ----------
    left, right
        Number of samples of each set that are byte-equal to each of its distinct images; 0 for images that do not
        count.
    pairs
        Blocks of near pairs of distinct images, as two arrays: the number of the left one and of the right one.
    """
    total = len(left)
    weights = np.concatenate([left, right])
    kept = ((a[near], total + b[near]) for a, b in pairs for near in [(left[a] > 0) & (right[b] > 0)])
    labels = components(len(weights), kept)
    sides = [np.bincount(labels[part], w, minlength=labels.max() + 1) for part, w in (
        (slice(total), left), (slice(total, None), right)
    )]  # fmt: skip
    both = (sides[0] > 0) & (sides[1] > 0)
    return np.sort((sides[0] + sides[1])[both].astype(np.int64))[::-1]


@dataclass(frozen=True)
class Joint:
    """Groups of recurrent samples that near pairs between two halves make."""

    groups: int
    """Number of groups."""
    median: float
    """Median number of samples in a group; 0 where there is none."""
    largest: int
    """Largest number of samples in a group; 0 where there is none."""

    @classmethod
    def of(cls, sizes: Int64[np.ndarray, " c"]) -> Joint:
        """The groups of these sizes."""
        return cls(len(sizes), float(np.median(sizes)) if len(sizes) else 0.0, int(sizes.max(initial=0)))


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
