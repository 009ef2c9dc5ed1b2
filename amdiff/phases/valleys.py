"""Thresholds at the valley between the outermost modes of the density of soft log distances (appendix B.3).

All K of a sweep are pooled, each with the same weight. A valley between copies and new samples is then no proof that
the two are apart at any K: K with copies only and K with new samples only also give two modes when they are mixed. So
each K is tested alone. Where no single K has a mode on both sides, or where the density is flat around the valley, the
range of the threshold also covers what is found with each K left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from amdiff.config import LEAST_HELDOUT, ValleyThresholds
from amdiff.errors import AmdiffError

from .costs import false_positives
from .density import STEP, Histogram, SoftLog, dip_p_value, modes, valley
from .distances import AtSize, Distances, Pair, Threshold
from .heldout import heldout_pair

FLAT = 1.1
"""The density counts as flat where it is below this multiple of its lowest value."""
FLAT_MASS = 0.05
"""A valley is flat where at least this share of the distances lies in the flat part around it."""


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


def dips(distances: Distances, softness: float) -> tuple[float, float] | None:
    """Return the p-values of the dip test for one mode among the distances of one K: to S, and to other samples.

    The distances are on the soft logarithmic scale of ``soft_log``. None where that has too few held-out images.
    """
    try:
        scale = soft_log([distances], softness)
    except AmdiffError:
        return None
    to_train, to_samples = (dip_p_value([scale(_finite(d))]) for d in (distances.to_train, distances.to_samples))
    return to_train, to_samples


def valley_pair(group: Sequence[Distances], spec: ValleyThresholds) -> Pair:
    """Return the thresholds of a group of K, or those of held-out images where there is no valley.

    Raises ``ValueError`` where there are too few held-out images, or all of them are duplicates.
    """
    scale = soft_log(group, spec.softness)
    rng = np.random.default_rng(spec.seed)
    found: list[Threshold | str] = []
    for name, flagged in (("to_train", "memorized"), ("to_samples", "spurious")):
        values = {d.size: scale(_finite(getattr(d, name))) for d in group}
        threshold = _valley_threshold(values, scale, spec, rng)
        reason = "one mode only, hence no valley" if threshold is None else _too_high(group, threshold, flagged, spec)
        found.append(reason or threshold or "")
    if any(isinstance(t, str) for t in found):
        fallback = heldout_pair(group, spec.fallback_quantile, spec)
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
    values: dict[int, Float64[np.ndarray, " _"]], scale: SoftLog, spec: ValleyThresholds, rng: np.random.Generator
) -> Threshold | None:
    """Return the threshold at the valley of the soft log distances of each K; None where there is one mode only."""
    histogram = Histogram.of(list(values.values()), margin=5 * spec.bandwidth)
    density = histogram.density(spec.bandwidth)
    lowest = valley(density, spec.min_mode)
    p_value = dip_p_value(list(values.values()))
    if lowest is None or p_value > 1 - spec.confidence:
        return None
    drawn = [
        valley(histogram.resampled(rng, spec.bandwidth / 2).density(spec.bandwidth), spec.min_mode)
        for _ in range(spec.bootstrap)
    ]
    kept = [histogram.grid[d] for d in drawn if d is not None]
    if not kept:
        return None

    def distance(u: float) -> float:
        return max(float(scale.inverse(u)), np.finfo(float).tiny)

    # the bootstrap's errors may be larger on one side, but which side is unknown: the interval is symmetric
    middle = float(histogram.grid[lowest])
    error = STEP / 2 + float(np.quantile(np.abs(np.array(kept) - middle), spec.confidence))
    sizes = _each_size(values, middle, distance, spec)
    flat, mass = _flat(histogram, density, lowest)
    notes = [f"{len(drawn) - len(kept)} of {len(drawn)} resamples had one mode only"] if len(kept) < len(drawn) else []
    ends = [middle - error, middle + error]
    if mass >= FLAT_MASS:
        ends += flat
        first, last = (distance(u) for u in flat)
        notes.append(f"the density is flat from {first:.3g} to {last:.3g}, where {mass:.0%} of the distances lie")
    mixed = not any(s.separated for s in sizes)
    if mixed:
        notes.append(_mixed(sizes))
    found = [distance(min(ends)), distance(max(ends))]
    if mixed or mass >= FLAT_MASS:
        found += [s.without for s in sizes if s.without is not None]
    return Threshold(
        value=distance(middle),
        low=min(found),
        high=max(found),
        method="valley",
        note="; ".join(notes),
        modes=tuple(float(scale.inverse(histogram.grid[m])) for m in modes(density, spec.min_mode)),
        dip_p_value=p_value,
        sizes=sizes,
    )


def _each_size(
    values: dict[int, Float64[np.ndarray, " _"]],
    middle: float,
    distance: Callable[[float], float],
    spec: ValleyThresholds,
) -> tuple[AtSize, ...]:
    """Test each K alone, and find the threshold without it. ``middle`` is the pooled valley, as a soft log distance."""
    level = (1 - spec.confidence) / len(values)  # so that chance alone separates none of them
    found = []
    for size, own in values.items():
        p_value = dip_p_value([own])
        alone = Histogram.of([own], margin=5 * spec.bandwidth)
        peaks = alone.grid[modes(alone.density(spec.bandwidth), spec.min_mode)]
        apart = p_value < level and peaks.min() < middle < peaks.max()
        without = None
        if others := [v for k, v in values.items() if k != size]:
            rest = Histogram.of(others, margin=5 * spec.bandwidth)
            place = valley(rest.density(spec.bandwidth), spec.min_mode)
            without = None if place is None else distance(float(rest.grid[place]))
        found.append(AtSize(size, p_value, bool(apart), without))
    return tuple(found)


def _mixed(sizes: Sequence[AtSize]) -> str:
    """Say that no single K has the valley, and what is found with each K left out."""
    text = "no single K has modes on both sides of it, so the valley comes from mixing K"
    left_out = [s.without for s in sizes if s.without is not None]
    if left_out:
        text += f"; with each K left out in turn it lies from {min(left_out):.3g} to {max(left_out):.3g}"
    if gone := [str(s.size) for s in sizes if s.without is None]:
        text += f"; without K = {', '.join(gone)} there is none"
    return text


def _flat(
    histogram: Histogram, density: Float64[np.ndarray, " bins"], lowest: int
) -> tuple[tuple[float, float], float]:
    """Return the ends of the flat part around the valley, as soft log distances, and the share of distances in it."""
    steep = np.flatnonzero(density > FLAT * density[lowest])
    first = int(steep[steep < lowest].max(initial=-1)) + 1
    last = int(steep[steep > lowest].min(initial=len(density))) - 1
    mass = float(density[first : last + 1].sum()) * STEP
    return (float(histogram.grid[first]), float(histogram.grid[last])), mass


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]
