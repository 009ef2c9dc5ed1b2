"""Find the thresholds delta_m and delta_s (appendix B.3).

- ``fixed``: the thresholds are given.
- ``valley``: a threshold is the lowest point between the outermost modes of the density of soft log distances.
- ``heldout``: a threshold is a low quantile of the distances of held-out real images, so few real images are closer. It
  is an upper bound, which is looser than duplication where data are diverse. One half of the held-out images calibrates
  the threshold; its error is reported on the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from amdiff.config import LEAST_HELDOUT, FixedThresholds, HeldoutThresholds, ValleyThresholds
from amdiff.errors import AmdiffError

from .costs import false_positives
from .density import STEP, Histogram, SoftLog, dip_p_value, modes, valley
from .distances import CALIBRATION, Distances, Pair, Threshold


def find_thresholds(
    sweep: Sequence[Distances], spec: FixedThresholds | HeldoutThresholds | ValleyThresholds
) -> list[Pair]:
    """Find the pair of thresholds for each K of a sweep.

    ``sweep`` holds the nearest distances of each K, and ``spec`` is the method with its options. The pairs are equal
    for all K where the thresholds are fixed, or where ``spec.pooled`` asks for one estimate from all K together.

    Raises ``ValueError`` where the method needs held-out images and there are fewer than 20, and where the held-out
    images are duplicates, so that no distance scale follows from them.
    """
    if isinstance(spec, FixedThresholds):
        m, s = (Threshold(v, v, v, "fixed", "given in the configuration") for v in (spec.delta_m, spec.delta_s))
        return [Pair(m, s)] * len(sweep)
    groups = [list(sweep)] if spec.pooled else [[d] for d in sweep]
    if isinstance(spec, HeldoutThresholds):
        pairs = [_heldout(group, spec.quantile, spec) for group in groups]
    else:
        pairs = [_valley(group, spec) for group in groups]
    return pairs * len(sweep) if spec.pooled else pairs


# -- heldout ----------------------------------------------------------------------------------


def _heldout(group: Sequence[Distances], quantile: float, spec: HeldoutThresholds | ValleyThresholds) -> Pair:
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


# -- valley -----------------------------------------------------------------------------------


def soft_log(group: Sequence[Distances], softness: float) -> SoftLog:
    """Return the soft logarithm whose d0 is ``softness`` times the median nearest distance among held-out images.

    Raises ``ValueError`` where no K has at least 20 held-out images, or all of them have a duplicate.
    """
    enough = [d.heldout_nearest for d in group if len(d.heldout_nearest) >= LEAST_HELDOUT]
    if not enough:
        raise AmdiffError(
            f"method 'valley' takes its distance scale from held-out images, and there are fewer than {LEAST_HELDOUT}; "
            "use smaller K, a dataset with a test split, or thresholds of method 'fixed'"
        )
    nearest = np.concatenate(enough)
    if not (nearest > 0).any():
        raise AmdiffError(
            "every held-out image is byte-equal to another one, so there is no distance scale; set 'deduplicate: true' "
            "for the dataset, or use thresholds of method 'fixed'"
        )
    return SoftLog(softness * float(np.median(nearest[nearest > 0])))


def _valley(group: Sequence[Distances], spec: ValleyThresholds) -> Pair:
    scale = soft_log(group, spec.softness)
    rng = np.random.default_rng(spec.seed)
    found: list[Threshold | str] = []
    for name, flagged in (("to_train", "memorized"), ("to_samples", "spurious")):
        threshold = _valley_threshold([scale(_finite(getattr(d, name))) for d in group], scale, spec, rng)
        reason = "one mode only, hence no valley" if threshold is None else _too_high(group, threshold, flagged, spec)
        found.append(reason or threshold or "")
    if any(isinstance(t, str) for t in found):
        fallback = _heldout(group, spec.fallback_quantile, spec)
        pair = (fallback.delta_m, fallback.delta_s)
        found = [
            replace(spare, note=f"{t}: fell back to held-out images, an upper bound ({spare.note})")
            if isinstance(t, str)
            else t
            for t, spare in zip(found, pair, strict=True)
        ]
    delta_m, delta_s = (t for t in found if isinstance(t, Threshold))
    return Pair(delta_m, delta_s, scale.d0)


def _too_high(group: Sequence[Distances], threshold: Threshold, flagged: str, spec: ValleyThresholds) -> str | None:
    """Return the reason why a valley does not separate copies, or None where it may.

    It does not where more real images than the fallback's quantile lie below it, by the lower end of their interval.
    Distances shrink as K grows, so even a sweep without copies can have two modes.
    """
    rates = [(false_positives(d, Pair(threshold, threshold), spec.confidence)[flagged], d.size) for d in group]
    known = [(rate["low"], rate["value"], size) for rate, size in rates if rate is not None]
    low, value, size = max(known, default=(0.0, 0.0, 0))
    if low <= spec.fallback_quantile:
        return None
    return f"a valley at {threshold.value:.3g}, but {value:.1%} of real images would be {flagged} at K = {size}"


def _valley_threshold(
    values: Sequence[np.ndarray], scale: SoftLog, spec: ValleyThresholds, rng: np.random.Generator
) -> Threshold | None:
    histogram = Histogram.of(values, margin=5 * spec.bandwidth)
    density = histogram.density(spec.bandwidth)
    lowest = valley(density, spec.min_mode)
    p_value = dip_p_value(values)
    if lowest is None or p_value > 1 - spec.confidence:
        return None
    drawn = [
        valley(histogram.resampled(rng, spec.bandwidth / 2).density(spec.bandwidth), spec.min_mode)
        for _ in range(spec.bootstrap)
    ]
    kept = [histogram.grid[d] for d in drawn if d is not None]
    if not kept:
        return None
    # the bootstrap's errors may be larger on one side, but which side is unknown: the interval is symmetric
    middle = histogram.grid[lowest]
    error = STEP / 2 + float(np.quantile(np.abs(np.array(kept) - middle), spec.confidence))
    value, low, high = (float(scale.inverse(u)) for u in (middle, middle - error, middle + error))
    note = "" if len(kept) == len(drawn) else f"{len(drawn) - len(kept)} of {len(drawn)} resamples had one mode only"
    peaks = tuple(float(scale.inverse(histogram.grid[m])) for m in modes(density, spec.min_mode))
    return Threshold(max(value, np.finfo(float).tiny), low, high, "valley", note, peaks, p_value)


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def _interval(drawn: np.ndarray, confidence: float) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
