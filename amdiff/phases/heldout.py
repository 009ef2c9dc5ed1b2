"""Thresholds from held-out real images: low quantiles of their nearest distances (appendix B.3).

Real images outside S are neither copies of S nor of one another. So the thresholds are upper bounds: samples below them
are nearer than real images come.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from amdiff.config import LEAST_HELDOUT, HeldoutThresholds, ValleyThresholds
from amdiff.errors import AmdiffError

from .distances import CALIBRATION, Distances, Pair, Threshold


def heldout_pair(group: Sequence[Distances], quantile: float, spec: HeldoutThresholds | ValleyThresholds) -> Pair:
    """Return thresholds from the held-out images of a group of K, each K with the same weight.

    ``quantile`` is the share of held-out images below delta_m. Raises ``ValueError`` where no K has 20 of them, and
    where they are duplicates.
    """
    enough = [d for d in group if len(d.heldout_to_train) >= LEAST_HELDOUT]
    if not enough:
        most = max(group, key=lambda d: len(d.heldout_to_train))
        raise AmdiffError(
            f"K = {most.size}: method 'heldout' needs at least {LEAST_HELDOUT} held-out images, got "
            f"{len(most.heldout_to_train)}; use smaller K, a dataset with a test split, or thresholds of method 'fixed'"
        )
    group = enough
    rows, to_train, within = (
        [getattr(d, name)[CALIBRATION] for d in group]
        for name in ("heldout_rows", "heldout_to_train", "heldout_within")
    )
    # nearest distances shrink as a set grows, so the level is adapted from the size of the half to |S'|
    levels = [
        min(quantile * (len(half) - 1) / (len(d.to_samples) - 1), 0.5) for d, half in zip(group, within, strict=True)
    ]
    rng = np.random.default_rng(spec.seed)
    return Pair(
        _quantile_threshold(to_train, rows, quantile, spec, rng),
        _quantile_threshold(within, rows, float(np.mean(levels)), spec, rng),
    )


def _quantile_threshold(
    values: Sequence[np.ndarray],
    rows: Sequence[np.ndarray],
    level: float,
    spec: HeldoutThresholds | ValleyThresholds,
    rng: np.random.Generator,
) -> Threshold:
    """Return the quantile of a mixture in which each K has the same weight, and its bootstrap interval.

    The same images are held out at many K, so the bootstrap resamples images, each with its distances at all K.
    """
    distinct, back = np.unique(np.concatenate(rows), return_inverse=True)
    places = np.split(back, np.cumsum([len(r) for r in rows])[:-1])
    value, extrapolated = lower_quantile(values, level)
    drawn = []
    for _ in range(spec.bootstrap):
        times = rng.multinomial(len(distinct), np.full(len(distinct), 1 / len(distinct)))
        parts = [np.repeat(v, times[place]) for v, place in zip(values, places, strict=True)]
        drawn.append(lower_quantile([p for p in parts if len(p) > 1], level)[0])
    low, high = _interval(np.array(drawn), spec.confidence)
    note = f"{level:.3g} quantile of real images"
    if extrapolated:
        note += ", beyond their number: by a power law fitted to the smallest distances"
    if not value > 0:
        raise AmdiffError(
            "method 'heldout' finds held-out images that are byte-equal to others, so its threshold is 0; set "
            "'deduplicate: true' for the dataset, or use thresholds of method 'fixed'"
        )
    return Threshold(value, min(low, value), max(high, value), "heldout", note)


def lower_quantile(parts: Sequence[Float64[np.ndarray, " _"]], level: float) -> tuple[float, bool]:
    """Return a low quantile of a mixture of samples with equal weights, and whether it was extrapolated.

    ``parts`` are the samples, and ``level`` is the quantile's level, between 0 and 0.5. With one large sample, a new
    value lies below the result with probability ``level`` on average, for every distribution.

    Where fewer than three values of the largest sample are expected below the quantile, it is extrapolated. The
    distribution function of small nearest distances is a power of the distance, whose exponent is the dimension of the
    data. It is fitted to the smallest twentieth of the values, at least ten (Hill 1975), and continued to smaller
    distances (Weissman 1978).
    """
    size = max(len(p) for p in parts)
    flat = np.concatenate(parts)
    weights = np.concatenate([np.full(len(p), 1 / (len(p) * len(parts))) for p in parts])
    if level * size >= 3:
        if len(parts) == 1:
            return float(np.quantile(flat, level, method="weibull")), False
        return float(np.quantile(flat, level, weights=weights, method="inverted_cdf")), False
    order = np.argsort(flat, kind="stable")
    flat, mass = flat[order], np.cumsum(weights[order])
    tail = int(np.searchsorted(mass, max(0.05, 10 / size)))
    tail = min(max(tail, 1), len(flat) - 1)
    edge = flat[tail]
    if not edge > 0:
        return 0.0, True
    logs = np.log(edge / np.maximum(flat[:tail], edge * 1e-9))
    exponent = mass[tail - 1] / max(float((weights[order][:tail] * logs).sum()), 1e-12)
    return float(edge * (level / mass[tail - 1]) ** (1 / exponent)), True


def _interval(drawn: np.ndarray, confidence: float) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
