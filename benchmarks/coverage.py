"""Do the intervals hold what they say? Coverage of planted truths that are drawn at random.

    python benchmarks/coverage.py [--truths 20] [--each 50]

For each interval: its coverage over ``truths * each`` repetitions of the estimator (95 % nominal), and its mean width
over that of the interval that holds 95 % of the estimates themselves, from their standard deviation at each truth (1
is no wider than needed). For ``heldout`` thresholds: how many of the real images that did not calibrate they flag, and
whether that lies within the binomial interval of the rate that is asked for. For ``valley``: how often a second mode is
found where there is one, and where there is none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, norm

from amdiff.config import FixedThresholds, HeldoutThresholds, ValleyThresholds
from amdiff.landscape.findings import gap_finding
from amdiff.phases.classes import classify, fractions
from amdiff.phases.costs import false_positives
from amdiff.phases.density import SoftLog
from amdiff.phases.distances import Distances, Pair, Threshold
from amdiff.phases.intervals import Estimate, grouped_mean
from amdiff.phases.thresholds import find_thresholds
from amdiff.phases.uncertainty import fold_fractions

Drawn = Iterator[dict[str, tuple[float, Estimate]]]
"""Repetitions of one planting: truth and interval by name."""

Planting = Callable[[np.random.Generator, int], Drawn]

FAR, NEAR = 9.0, 0.1


# -- plantings: each draws a truth, then repeats ----------------------------------------------


def shares(rng: np.random.Generator, each: int) -> Drawn:
    """Fractions of a set with copies, visits to attractors of unequal size, and new images; all drawn at random."""
    n, states = int(rng.integers(200, 2000)), int(rng.integers(5, 200))
    copies, visits = rng.dirichlet([1, 1, 1])[:2]
    size = rng.dirichlet(np.ones(states))
    # a visit is spurious where another one came to its attractor
    spurious = visits * float(size @ (1 - (1 - visits * size) ** (n - 1)))
    for _ in range(each):
        planted = rng.choice(3, n, p=[copies, visits, 1 - copies - visits])
        state = np.where(planted == 1, rng.choice(states, n, p=size), -1)
        found = fractions(*_sorted_at_half(planted, state), 0.5)
        yield {
            "memorized share (Wilson)": (copies, found.memorized),
            "spurious share (jackknife)": (spurious, found.spurious),
            "generalized share (jackknife)": (1 - copies - spurious, found.generalized),
        }


def _sorted_at_half(planted: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes and the two nearest neighbours of each sample, at a threshold of 0.5."""
    n = len(planted)
    index, distance = np.zeros((n, 2), np.int64), np.full((n, 2), FAR)
    for visited in range(state.max() + 1):
        visits = np.flatnonzero(state == visited)
        for turn in range(1, min(3, len(visits))):
            index[visits, turn - 1], distance[visits, turn - 1] = np.roll(visits, turn), NEAR
    return classify(np.where(planted == 0, NEAR, FAR), distance[:, 0], 0.5, 0.5), index, distance


def means(rng: np.random.Generator, each: int) -> Drawn:
    """Means over targets that are alike within attractors, and an energy gap of two such means."""
    groups, alike = int(rng.integers(8, 80)), rng.uniform(0, 1)
    sizes = rng.geometric(rng.uniform(0.2, 1), groups)
    cluster = np.repeat(np.arange(groups), sizes)
    mean, base, m = float(rng.normal()), float(rng.normal()), int(rng.integers(20, 500))
    for _ in range(each):
        shared, own = rng.standard_normal(groups), rng.standard_normal(len(cluster))
        values = mean + np.sqrt(alike) * shared[cluster] + np.sqrt(1 - alike) * own
        train = base + rng.standard_normal(m)
        gap = gap_finding(values, cluster, train, is_train=False, confidence=0.95).gap
        yield {
            "mean over targets (grouped jackknife)": (mean, grouped_mean(values, cluster)[0]),
            "energy gap (two means)": (mean - base, gap),
        }


def heldout(rng: np.random.Generator, each: int) -> Drawn:
    """Thresholds at a quantile of real images' distances, whose small ones follow a power law as in d dimensions."""
    dimension, n = rng.uniform(3, 12), int(rng.integers(300, 3000))
    for quantile, name in ((0.05, "heldout threshold (bootstrap)"), (0.001, "heldout threshold beyond the data")):
        truth = float((-np.log1p(-quantile)) ** (1 / dimension))  # of Weibull's law
        spec = HeldoutThresholds(method="heldout", quantile=quantile, bootstrap=200)
        for _ in range(each):
            real = rng.weibull(dimension, 2 * n)
            (pair,) = find_thresholds([_distances(real[:50], real)], spec)
            yield {name: (truth, _estimate(pair.delta_m))}


def rates(rng: np.random.Generator, each: int) -> Drawn:
    """The share of real images that a threshold flags, from those that did not calibrate it."""
    n = int(rng.integers(200, 3000))
    truth = rng.uniform(0.001, 0.3)
    cut = float(np.exp(norm.ppf(truth)))
    for _ in range(each):
        real = np.exp(rng.standard_normal(2 * n))
        distances = _distances(real[:50], real)
        (pair,) = find_thresholds([distances], FixedThresholds(method="fixed", delta_m=cut, delta_s=cut))
        found = false_positives(distances, pair, 0.95)["memorized"]
        interval = Estimate(found["value"], found["low"], found["high"])
        yield {"false-positive rate, memorized (Wilson)": (truth, interval)}


def valleys(rng: np.random.Generator, each: int) -> Drawn:
    """The valley between two modes of soft log distances, where one is found.

    The truth is what the method looks for: the lowest point of the mixture's density smoothed with its bandwidth.
    """
    spec = ValleyThresholds(method="valley", bootstrap=200)
    scale, modes, spreads, share, n = _two_modes(rng)
    between = np.linspace(*modes, 10_001)
    smooth = sum(
        w * norm.pdf(between, m, np.hypot(s, spec.bandwidth))
        for w, m, s in zip((share, 1 - share), modes, spreads, strict=True)
    )
    truth = float(scale.inverse(between[np.argmin(smooth)]))
    for _ in range(each):
        distances = _mixture(rng, scale, modes, spreads, share, n)
        (pair,) = find_thresholds([_distances(distances, _reals(rng, scale, modes, spreads))], spec)
        if pair.delta_m.method == "valley":
            yield {"valley threshold (bootstrap)": (truth, _estimate(pair.delta_m))}


def at_quantile(rng: np.random.Generator, each: int) -> Drawn:
    """Shares at a quantile of real images, of samples that are as these, with its error in their intervals or without.

    The truth is the share below the quantile of the law itself.
    """
    dimension, n = rng.uniform(3, 12), int(rng.integers(200, 2000))
    spec = HeldoutThresholds(method="heldout", quantile=0.05, bootstrap=200)
    for _ in range(each):
        near, real = rng.weibull(dimension, n), rng.weibull(dimension, int(rng.integers(200, 1000)))
        (pair,) = find_thresholds([_distances(near, real)], spec)
        yield {name + " at a quantile": (0.05, share) for name, share in _shares(near, pair).items()}


def at_valley(rng: np.random.Generator, each: int) -> Drawn:
    """Shares at a valley that is found in the same samples: with its error in their intervals, and as if it were known.

    The truth is the share below the lowest point of the mixture's smoothed density. Modes are of any distance from one
    another at which a valley is found, so that thresholds are sharp for some truths and vague for others.
    """
    spec = ValleyThresholds(method="valley", bootstrap=200)
    scale, modes, spreads, share, n = _two_modes(rng, apart=(3, 8), sizes=(150, 2000))
    between = np.linspace(*modes, 10_001)
    weights = (share, 1 - share)
    smooth = sum(
        w * norm.pdf(between, m, np.hypot(s, spec.bandwidth)) for w, m, s in zip(weights, modes, spreads, strict=True)
    )
    cut = between[np.argmin(smooth)]
    truth = float(sum(w * norm.cdf(cut, m, s) for w, m, s in zip(weights, modes, spreads, strict=True)))
    for _ in range(each):
        near = _mixture(rng, scale, modes, spreads, share, n)
        distances = _distances(near, _reals(rng, scale, modes, spreads))
        (pair,) = find_thresholds([distances], spec)
        if pair.delta_m.method == "valley":
            yield {name + " at a valley": (truth, found) for name, found in _shares(near, pair).items()}


def _shares(near: np.ndarray, pair: Pair) -> dict[str, Estimate]:
    """The memorized share of samples none of which is near another one, with its interval of both kinds."""
    far = np.full(len(near), FAR * near.max())
    table = np.zeros((len(near), 2), np.int64), np.stack([far, far], axis=1)
    given = fractions(classify(near, far, pair.delta_m.value, pair.delta_s.value), *table, pair.delta_s.value)
    folded = fold_fractions(given, near, far, pair)
    return {"memorized share": folded.memorized, "the same, threshold taken for known,": given.memorized}


def _estimate(threshold: Threshold) -> Estimate:
    return Estimate(threshold.value, threshold.low, threshold.high)


def _two_modes(
    rng: np.random.Generator, apart: tuple[float, float] = (5, 8), sizes: tuple[int, int] = (500, 4000)
) -> tuple[SoftLog, np.ndarray, np.ndarray, float, int]:
    """Two modes of random place, spread and share; distances of real images are of the upper one.

    ``apart`` is their distance in units of the wider one's spread, ``sizes`` the number of samples.
    """
    median, spreads = np.exp(rng.uniform(0, 1)), rng.uniform(0.1, 0.3, 2)
    scale = SoftLog(ValleyThresholds(method="valley").softness * float(median))
    upper = float(scale(np.array(median)))
    lower = upper - rng.uniform(*apart) * spreads.max()
    return scale, np.array([lower, upper]), spreads, rng.uniform(0.2, 0.8), int(rng.integers(*sizes))


def _mixture(
    rng: np.random.Generator, scale: SoftLog, modes: np.ndarray, spreads: np.ndarray, share: float, n: int
) -> np.ndarray:
    part = (rng.random(n) >= share).astype(int)
    return np.asarray(scale.inverse(modes[part] + spreads[part] * rng.standard_normal(n)))


def _reals(rng: np.random.Generator, scale: SoftLog, modes: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """Distances of real images: as those of the upper mode, whose median gives ``valley`` the scale."""
    return np.asarray(scale.inverse(modes[1] + spreads[1] * rng.standard_normal(1000)))


def _distances(to_train: np.ndarray, real: np.ndarray) -> Distances:
    return Distances(100, to_train, to_train.copy(), real, real, real, np.arange(len(real)))


PLANTINGS: tuple[Planting, ...] = (shares, means, heldout, rates, valleys, at_quantile, at_valley)


# -- what is found ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Coverage:
    """Of one interval."""

    name: str
    covered: float
    """Share of repetitions whose interval held the truth."""
    width: float
    """Median over truths of the mean width over the width that the estimates' own spread asks for."""
    count: int


def coverage(planting: Planting, truths: int, each: int, seed: int) -> list[Coverage]:
    """Of each interval of a planting."""
    found: dict[str, list[list[tuple[float, Estimate]]]] = {}
    for rng in np.random.default_rng(seed).spawn(truths):
        groups: dict[str, list[tuple[float, Estimate]]] = {}
        for repetition in planting(rng, each):
            for name, pair in repetition.items():
                groups.setdefault(name, []).append(pair)
        for name, group in groups.items():
            found.setdefault(name, []).append(group)
    return [_summary(name, groups) for name, groups in found.items()]


def _summary(name: str, groups: list[list[tuple[float, Estimate]]]) -> Coverage:
    inside = [e.low <= truth <= e.high for group in groups for truth, e in group]
    ratios = []
    for group in groups:
        spread = np.std([e.value for _, e in group])
        if len(group) > 10 and spread > 0:
            ratios.append(np.mean([e.high - e.low for _, e in group]) / (2 * norm.ppf(0.975) * spread))
    return Coverage(name, float(np.mean(inside)), float(np.median(ratios)), len(inside))


def heldout_rate(quantile: float, trials: int, seed: int) -> tuple[float, float, float]:
    """Share of held-out images flagged by ``heldout`` on the half that did not calibrate, and its binomial interval.

    The interval is that of the mean over trials; the calibrating half is random as well, which doubles the variance.
    """
    rng = np.random.default_rng(seed)
    n, flagged = 1000, 0
    for _ in range(trials):
        real = rng.weibull(6, 2 * n)
        (pair,) = find_thresholds(
            [_distances(real[:50], real)], HeldoutThresholds(method="heldout", quantile=quantile, bootstrap=10)
        )
        flagged += int((real[n:] <= pair.delta_m.value).sum())
    low, high = binom.ppf([0.025, 0.975], trials * n // 2, quantile) / (trials * n // 2)
    return flagged / (trials * n), float(low), float(high)


def second_modes(trials: int, seed: int) -> tuple[float, float]:
    """How often ``valley`` finds a valley: with a second mode, and without."""
    rng, spec = np.random.default_rng(seed), ValleyThresholds(method="valley", bootstrap=20)
    found = []
    for share in (None, 0.0):
        hits = 0
        for _ in range(trials):
            scale, modes, spreads, drawn, n = _two_modes(rng)
            distances = _mixture(rng, scale, modes, spreads, drawn if share is None else share, n)
            (pair,) = find_thresholds([_distances(distances, _reals(rng, scale, modes, spreads))], spec)
            hits += pair.delta_m.method == "valley"
        found.append(hits / trials)
    return found[0], found[1]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truths", type=int, default=20, help="random truths of each planting")
    parser.add_argument("--each", type=int, default=50, help="repetitions of each")
    asked = parser.parse_args()
    out = sys.stdout.write
    out("| interval | repetitions | coverage | width / needed |\n|---|---|---|---|\n")
    for number, planting in enumerate(PLANTINGS):
        for one in coverage(planting, asked.truths, asked.each, number):
            out(f"| {one.name} | {one.count:,} | {one.covered:.1%} | {one.width:.2f} |\n")
    out("\n| `heldout` quantile | flagged | binomial interval |\n|---|---|---|\n")
    trials = asked.truths * asked.each
    for quantile in (0.005, 0.02, 0.1):
        rate, low, high = heldout_rate(quantile, trials, 1)
        out(f"| {quantile:.1%} | {rate:.2%} | {low:.2%} to {high:.2%} |\n")
    two, one = second_modes(trials, 2)
    out(f"\n`valley` finds a valley in {two:.1%} of {trials:,} sets with two modes, and in {one:.1%} with one.\n")


if __name__ == "__main__":
    main()
