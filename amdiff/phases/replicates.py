"""Shares over several runs: trainings with other seeds, on other draws of the training set.

R' training sets are drawn, and each is trained on with R seeds, so runs are nested in draws. Runs of one draw are
alike, so the unit is the mean of a draw, and the interval is Student's with R' - 1 degrees of freedom. With one draw
the unit is a run, and the interval holds given this training set. The spread over runs includes the error that each run
has since its samples are finitely many.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy
from jaxtyping import Float64

from amdiff.errors import AmdiffError

from .intervals import Estimate, wilson

NEAR_END = 0.1
"""Shares within this distance of 0 or 1 are averaged on the logit scale, where their spread is nearly symmetric."""


@dataclass(frozen=True)
class OverRuns:
    """A share over several runs."""

    estimate: Estimate
    """The share, with its interval over draws or, with one draw, over seeds."""
    logit: bool
    """Whether the mean is that of logits: ``estimate`` is then about the expit of the mean logit."""
    draws: int
    """Number of training sets."""
    seeds: int
    """Number of trainings on each."""
    within: float
    """Variance within a run, of finitely many samples."""
    between_seeds: float | None
    """Variance between seeds; None where each training set has one run, so that it is part of ``between_draws``."""
    between_draws: float | None
    """Variance between training sets; None with one training set."""

    @property
    def of_runs(self) -> float:
        """Part of the variance of a single run's share that is due to the run and not to its samples, 0 to 1."""
        between = (self.between_seeds or 0.0) + (self.between_draws or 0.0)
        total = between + self.within
        return between / total if total else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the result as plain data."""
        return {**asdict(self), "estimate": self.estimate._asdict(), "of_runs": self.of_runs}


def over_runs(
    shares: Float64[np.ndarray, "draws seeds"],
    samples: Float64[np.ndarray, "draws seeds"],
    within: Float64[np.ndarray, "draws seeds"],
    confidence: float = 0.95,
) -> OverRuns:
    """Return the mean of a share over runs, with its interval and the parts of its variance.

    Parameters
    ----------
    shares
        The share in each run, between 0 and 1, (R', R).
    samples
        Effective number of samples behind each share, (R', R), from ``effective_samples``.
    within
        Variance of each share given its run, (R', R).
    confidence
        Level of the interval, between 0 and 1. Default 0.95.

    Raises
    ------
    ValueError
        Where there are fewer than two runs.
    """
    draws, seeds = shares.shape
    if shares.size < 2:
        raise AmdiffError(f"shares over runs need at least two runs, got {shares.size}")
    mean = float(shares.mean())
    logit = not NEAR_END <= mean <= 1 - NEAR_END
    parts = (*_between(shares, float(within.mean())),)
    if np.ptp(shares) == 0 and mean in (0.0, 1.0):  # no spread to measure: as if there were one run
        return OverRuns(
            wilson(mean, float(samples.min()), confidence), logit, draws, seeds, float(within.mean()), *parts
        )
    values, of_samples = shares, float(within.mean())
    if logit:
        hits, misses = shares * samples + 0.5, (1 - shares) * samples + 0.5
        values, of_samples = np.log(hits / misses), float((1 / hits + 1 / misses).mean())
    units = values.mean(axis=1) if draws > 1 else values[0]
    centre = float(units.mean())
    # runs that agree by chance are not known better than their samples allow
    error = max(float(units.var(ddof=1)) / len(units), of_samples / shares.size) ** 0.5
    half = float(scipy.special.stdtrit(len(units) - 1, 0.5 + confidence / 2)) * error
    ends = np.array([centre, centre - half, centre + half])
    ends = scipy.special.expit(ends) if logit else np.clip(ends, 0, 1)
    return OverRuns(Estimate(*ends.tolist()), logit, draws, seeds, float(within.mean()), *parts)


def _between(shares: Float64[np.ndarray, "draws seeds"], within: float) -> tuple[float | None, float | None]:
    """Variances between seeds and between draws, by the analysis of variance. Negative ones are set to 0."""
    draws, seeds = shares.shape
    of_a_run = float(shares.var(axis=1, ddof=1).mean()) if seeds > 1 else None
    between_seeds = None if of_a_run is None else max(of_a_run - within, 0.0)
    if draws == 1:
        return between_seeds, None
    of_a_draw = float(shares.mean(axis=1).var(ddof=1))
    return between_seeds, max(of_a_draw - (within if of_a_run is None else of_a_run) / seeds, 0.0)


def effective_samples(share: float, variance: float, least: int, most: int) -> float:
    """Return the number of independent samples that would give a share this variance, between ``least`` and ``most``.

    It is ``most``, the number of samples that were drawn, where the share is 0 or 1.
    """
    spread = share * (1 - share)
    return float(most) if not spread else float(np.clip(spread / variance if variance else np.inf, least, most))


def variance_of(estimate: Estimate, confidence: float) -> float:
    """Return the variance of an estimate, from the length of its interval."""
    z = float(scipy.special.ndtri(0.5 + confidence / 2))
    return ((estimate.high - estimate.low) / (2 * z)) ** 2
