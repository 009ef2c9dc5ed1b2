"""The thresholds delta_m and delta_s (appendix B.3), with what can be said about their error.

- ``fixed``: given.
- ``valley``: the lowest point between the outermost modes of the density of soft log distances.
- ``heldout``: closer than held-out real images come; an upper bound, looser than duplication where
  data are diverse. Calibrated on one half of the held-out images, its error reported on the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from amdiff.config import FixedThresholds, HeldoutThresholds, ThresholdsSpec, ValleyThresholds

from .classes import MEMORIZED, SPURIOUS, classify
from .density import Histogram, SoftLog, dip_p_value, modes, valley
from .intervals import wilson


@dataclass(frozen=True)
class Distances:
    """Nearest distances of one training-set size."""

    size: int
    """K."""
    to_train: Float64[np.ndarray, " n"]
    """S' to S."""
    to_samples: Float64[np.ndarray, " n"]
    """S' to S' without itself."""
    heldout_to_train: Float64[np.ndarray, " h"]
    """Held-out images to S. The first ``len // 2`` are the half that calibrates."""
    heldout_within: Float64[np.ndarray, " h"]
    """Held-out images to others of their own half; inf where there is none."""

    def halves(self) -> tuple[slice, slice]:
        """The held-out images that calibrate, and those on which errors are reported."""
        middle = len(self.heldout_to_train) // 2
        return slice(0, middle), slice(middle, None)


@dataclass(frozen=True)
class Threshold:
    """One threshold, how it was found, and its bootstrap interval."""

    value: float
    low: float
    high: float
    method: str
    note: str = ""
    modes: tuple[float, ...] = ()
    """Distances at the density's modes (``valley``)."""
    dip_p_value: float | None = None
    """Of the hypothesis that there is one mode (``valley``)."""


@dataclass(frozen=True)
class Pair:
    """Both thresholds, for one K or for all."""

    delta_m: Threshold
    delta_s: Threshold
    d0: float | None = None
    """Softness of the logarithm, in the metric's unit (``valley``)."""


def find_thresholds(sweep: Sequence[Distances], spec: ThresholdsSpec) -> list[Pair]:
    """Thresholds for each K of ``sweep``: equal for all where pooled or fixed.

    Raises ``ValueError`` where a method needs held-out images and there are too few.
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
    calibration = []
    for d in group:
        half, _ = d.halves()
        to_train, within = d.heldout_to_train[half], d.heldout_within[half]
        if len(within) < 10:
            raise ValueError(
                f"K = {d.size}: method 'heldout' needs at least 20 held-out images, got {len(d.heldout_to_train)}; "
                "use smaller K, a dataset with a test split, or thresholds of method 'fixed'"
            )
        # nearest distances shrink with the size of the set: the level that fits |S'| (METHOD, section 5)
        level = quantile * (len(within) - 1) / (len(d.to_samples) - 1)
        calibration.append((to_train, within, min(level, 0.5)))
    rng = np.random.default_rng(spec.seed)
    m_values = [c[0] for c in calibration]
    s_values = [c[1] for c in calibration]
    s_level = float(np.mean([c[2] for c in calibration]))
    return Pair(
        _quantile_threshold(m_values, quantile, spec, rng),
        _quantile_threshold(s_values, s_level, spec, rng),
    )


def _quantile_threshold(
    values: Sequence[np.ndarray], level: float, spec: HeldoutThresholds | ValleyThresholds, rng: np.random.Generator
) -> Threshold:
    """The quantile of a mixture in which each K weighs the same, and its bootstrap interval."""

    def mixture(parts: Sequence[np.ndarray]) -> float:
        if len(parts) == 1:
            return float(np.quantile(parts[0], level))
        flat = np.concatenate(parts)
        weights = np.concatenate([np.full(len(p), 1 / len(p)) for p in parts])
        return float(np.quantile(flat, level, weights=weights, method="inverted_cdf"))

    value = mixture(values)
    drawn = [mixture([rng.choice(v, len(v)) for v in values]) for _ in range(spec.bootstrap)]
    low, high = _interval(np.array(drawn), spec.confidence)
    return Threshold(max(value, np.finfo(float).tiny), low, high, "heldout", f"{level:.3g} quantile of real images")


# -- valley -----------------------------------------------------------------------------------


def soft_log(group: Sequence[Distances], softness: float) -> SoftLog:
    """The soft logarithm whose d0 is a share of the median nearest distance among held-out images.

    Raises ``ValueError`` where no K has at least 20 held-out images.
    """
    enough = [d.heldout_within for d in group if len(d.heldout_within) >= 20]
    if not enough:
        raise ValueError(
            "method 'valley' takes its scale from held-out images, and there are fewer than 20; "
            "use smaller K, a dataset with a test split, or thresholds of method 'fixed'"
        )
    return SoftLog(softness * float(np.median(np.concatenate(enough))))


def _valley(group: Sequence[Distances], spec: ValleyThresholds) -> Pair:
    scale = soft_log(group, spec.softness)
    rng = np.random.default_rng(spec.seed)
    found = [
        _valley_threshold([scale(_finite(getattr(d, name))) for d in group], scale, spec, rng)
        for name in ("to_train", "to_samples")
    ]
    if any(t is None for t in found):
        fallback = _heldout(group, spec.fallback_quantile, spec)
        note = "one mode only, hence no valley: fell back to held-out images, an upper bound"
        spare = [
            Threshold(t.value, t.low, t.high, "heldout", f"{note} ({t.note})")
            for t in (fallback.delta_m, fallback.delta_s)
        ]
        found = [t or other for t, other in zip(found, spare, strict=True)]
    delta_m, delta_s = (t for t in found if t is not None)
    return Pair(delta_m, delta_s, scale.d0)


def _valley_threshold(
    values: Sequence[np.ndarray], scale: SoftLog, spec: ValleyThresholds, rng: np.random.Generator
) -> Threshold | None:
    histogram = Histogram.of(values, margin=5 * spec.bandwidth)
    density = histogram.density(spec.bandwidth)
    lowest = valley(density, spec.min_mode)
    p_value = dip_p_value(values)
    if lowest is None or p_value > 1 - spec.confidence:
        return None
    drawn = [valley(histogram.resampled(rng).density(spec.bandwidth), spec.min_mode) for _ in range(spec.bootstrap)]
    kept = np.array([d for d in drawn if d is not None])
    value = float(scale.inverse(histogram.grid[lowest]))
    low, high = _interval(scale.inverse(histogram.grid[kept]), spec.confidence) if len(kept) else (value, value)
    note = "" if len(kept) == len(drawn) else f"{len(drawn) - len(kept)} of {len(drawn)} resamples had one mode only"
    peaks = tuple(float(scale.inverse(histogram.grid[m])) for m in modes(density, spec.min_mode))
    return Threshold(max(value, np.finfo(float).tiny), low, high, "valley", note, peaks, p_value)


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def _interval(drawn: np.ndarray, confidence: float) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


# -- what a threshold costs -------------------------------------------------------------------


def false_positives(distances: Distances, pair: Pair, confidence: float) -> dict[str, Any]:
    """Share of held-out real images that would be called memorized or spurious, with Wilson intervals.

    For ``heldout`` thresholds the half that did not calibrate. The spurious share is that within
    ``n`` images; nearest distances shrink as a set grows, so |S'| images would give more.
    """
    heldout = "heldout" in (pair.delta_m.method, pair.delta_s.method)
    part = distances.halves()[1] if heldout else slice(None)
    to_train, within = distances.heldout_to_train[part], distances.heldout_within[part]
    if not len(to_train):
        return {"n": 0, "memorized": None, "spurious": None}
    classes = classify(to_train, within, pair.delta_m.value, pair.delta_s.value)
    shares = {name: wilson(float((classes == c).mean()), len(classes), confidence)._asdict()
              for name, c in (("memorized", MEMORIZED), ("spurious", SPURIOUS))}  # fmt: skip
    return {"n": len(to_train), **shares}


def sensitivity(distances: Distances, pair: Pair, factors: Sequence[float]) -> dict[str, Any]:
    """Fractions when delta_m (rows) and delta_s (columns) are varied by ``factors``."""
    memorized, spurious = [], []
    for m in factors:
        counts = [
            np.bincount(
                classify(distances.to_train, distances.to_samples, m * pair.delta_m.value, s * pair.delta_s.value),
                minlength=3,
            )
            / len(distances.to_train)
            for s in factors
        ]
        memorized.append([float(c[MEMORIZED]) for c in counts])
        spurious.append([float(c[SPURIOUS]) for c in counts])
    return {"factors": list(factors), "memorized": memorized, "spurious": spurious}


def as_json(distances: Distances, pair: Pair, spec: ThresholdsSpec) -> dict[str, Any]:
    """Everything about one K's thresholds, as plain data."""
    return {
        "size": distances.size,
        "delta_m": asdict(pair.delta_m),
        "delta_s": asdict(pair.delta_s),
        "d0": pair.d0,
        "false_positives": false_positives(distances, pair, spec.confidence),
        "sensitivity": sensitivity(distances, pair, spec.sensitivity),
    }
