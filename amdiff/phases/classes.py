"""The classes memorized, spurious and generalized (eq. 9-11). Each sample of the synthetic set is in one of them.

- memorized: the distance to the training set is at most delta_m;
- spurious: the sample is not memorized, and its distance to another sample is at most delta_s;
- generalized: all other samples.
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
    """Translate names of classes into their numbers: 0 memorized, 1 spurious, 2 generalized."""
    return np.array([CLASSES.index(name) for name in names], np.int8)


def classify(
    to_train: Float64[np.ndarray, " n"], to_samples: Float64[np.ndarray, " n"], delta_m: float, delta_s: float
) -> Int8[np.ndarray, " n"]:
    """Return the class of each sample (n,), from its nearest distances (eq. 9-11).

    Class 0 is memorized, 1 spurious and 2 generalized.

    ``to_train`` are the distances to the nearest training image, ``to_samples`` those to the nearest other sample.
    They and the thresholds ``delta_m`` and ``delta_s`` have the metric's unit. A distance equal to a threshold counts
    as within it.

    Raises ``ValueError`` where a distance is negative or NaN, where the two arrays differ in shape or are not
    one-dimensional, and where a threshold is not positive.
    """
    to_train, to_samples = np.asarray(to_train), np.asarray(to_samples)
    if to_train.shape != to_samples.shape or to_train.ndim != 1:
        raise AmdiffError(
            "expected two arrays (n,), with one distance of each sample to the training set and one to the other "
            f"samples; got arrays of shape {to_train.shape} and {to_samples.shape}"
        )
    for name, values in (("to the training set", to_train), ("to other samples", to_samples)):
        if np.isnan(values).any() or (values < 0).any():
            raise AmdiffError(f"distances {name} must be non-negative numbers, got some that are negative or NaN")
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
    """Return the numbers of the samples of class ``which``, the clearest cases first, as in the paper (fig. 13-15).

    Memorized samples come by increasing distance to S. Spurious samples come by increasing distance to another sample,
    generalized samples by decreasing distance to another sample. Samples at the same distance come by their number.
    """
    key = {MEMORIZED: to_train, SPURIOUS: to_samples, GENERALIZED: -to_samples}[which]
    members = np.flatnonzero(classes == which)
    return members[np.argsort(key[members], kind="stable")]


@dataclass(frozen=True)
class Fractions:
    """Shares of the three classes with their confidence intervals. The shares sum to 1."""

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
    """Return the shares of the three classes with confidence intervals, for given thresholds.

    The memorized share has Wilson's interval, the two others have one from a leave-one-out jackknife (see
    ``intervals``). ``fold_fractions`` adds the errors of the thresholds.

    Parameters
    ----------
    classes
        Class of each of n samples, from ``classify``; n is at least 2.
    neighbor_index
        Numbers (n, k) of the k nearest other samples of each sample; k is at least 2.
    neighbor_distance
        Distances (n, k) to them, in increasing order.
    delta_s
        The threshold of the distance to another sample that ``classes`` were found with.
    confidence
        Level of the intervals, between 0 and 1. Default 0.95.

    Raises
    ------
    ValueError
        Where there are fewer than two samples, or fewer than two neighbours of each.
    """
    n = len(classes)
    if n < 2 or neighbor_index.shape[1] < 2:
        raise AmdiffError(
            "fractions need at least two samples and two neighbours of each; got "
            f"{n} samples and {neighbor_index.shape[1]} neighbours"
        )
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
