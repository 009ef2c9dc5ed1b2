"""Memorized, spurious, generalized (eq. 9-11): a partition of the synthetic set.

- memorized: the distance to the training set is at most delta_m;
- spurious: not memorized, and the distance to another sample is at most delta_s;
- generalized: neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int8, Int64

from amdiff.errors import AmdiffError

from .intervals import Estimate, jackknife, wilson

CLASSES = ("memorized", "spurious", "generalized")
MEMORIZED, SPURIOUS, GENERALIZED = range(3)


def class_numbers(names: Iterable[str]) -> Int8[np.ndarray, " n"]:
    """Numbers of classes from their names: 0 memorized, 1 spurious, 2 generalized."""
    return np.array([CLASSES.index(name) for name in names], np.int8)


def classify(
    to_train: Float64[np.ndarray, " n"], to_samples: Float64[np.ndarray, " n"], delta_m: float, delta_s: float
) -> Int8[np.ndarray, " n"]:
    """Class of each sample from its nearest distances; 0 memorized, 1 spurious, 2 generalized.

    Raises ``ValueError`` for distances that are NaN or negative, or not one of each for a sample, and for thresholds
    that are not positive.
    """
    to_train, to_samples = np.asarray(to_train), np.asarray(to_samples)
    if to_train.shape != to_samples.shape or to_train.ndim != 1:
        raise AmdiffError(f"each sample has two distances; got arrays of {to_train.shape} and {to_samples.shape}")
    for name, values in (("to the training set", to_train), ("to other samples", to_samples)):
        if np.isnan(values).any() or (values < 0).any():
            raise AmdiffError(f"distances {name} must be non-negative numbers")
    if not (delta_m > 0 and delta_s > 0):
        raise AmdiffError(f"thresholds must be positive, got delta_m = {delta_m}, delta_s = {delta_s}")
    classes = np.full(len(to_train), GENERALIZED, np.int8)
    classes[to_samples <= delta_s] = SPURIOUS
    classes[to_train <= delta_m] = MEMORIZED
    return classes


def ordered(
    classes: Int8[np.ndarray, " n"],
    to_train: Float64[np.ndarray, " n"],
    to_samples: Float64[np.ndarray, " n"],
    which: int,
) -> Int64[np.ndarray, " m"]:
    """Samples of one class in the paper's order (fig. 13-15): the clearest cases first.

    Memorized by increasing distance to S, spurious by increasing and generalized by decreasing
    distance to another sample; ties by number.
    """
    key = {MEMORIZED: to_train, SPURIOUS: to_samples, GENERALIZED: -to_samples}[which]
    members = np.flatnonzero(classes == which)
    return members[np.argsort(key[members], kind="stable")]


@dataclass(frozen=True)
class Fractions:
    """Shares of the three classes; their values sum to 1."""

    memorized: Estimate
    spurious: Estimate
    generalized: Estimate

    def __getitem__(self, name: str) -> Estimate:
        return getattr(self, name)


def fractions(
    classes: Int8[np.ndarray, " n"],
    neighbor_index: Int64[np.ndarray, "n k"],
    neighbor_distance: Float64[np.ndarray, "n k"],
    delta_s: float,
    confidence: float = 0.95,
) -> Fractions:
    """Shares with intervals; ``neighbor_*`` is the table of S' in itself, k >= 2.

    Wilson for memorized, leave-one-out jackknife for the others (see ``intervals``).
    """
    n = len(classes)
    if n < 2 or neighbor_index.shape[1] < 2:
        raise AmdiffError("fractions need at least two samples and two neighbours each")
    counts = np.bincount(classes, minlength=3)
    depends = (classes == SPURIOUS) & (neighbor_distance[:, 1] > delta_s)
    lost = np.bincount(neighbor_index[depends, 0], minlength=n)
    spurious = (counts[SPURIOUS] - (classes == SPURIOUS) - lost) / (n - 1)
    generalized = (counts[GENERALIZED] - (classes == GENERALIZED) + lost) / (n - 1)
    share = counts / n
    return Fractions(
        wilson(share[MEMORIZED], n, confidence),
        jackknife(share[SPURIOUS], spurious, confidence),
        jackknife(share[GENERALIZED], generalized, confidence),
    )
