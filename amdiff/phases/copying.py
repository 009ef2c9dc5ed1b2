"""The field's other measures of copying, to compare with: on nearest distances that are there already.

- The nearest-neighbour ratio: a sample copies its nearest training image where that is closer than a third of the
  distance of the next (Yoon et al. 2023; Gu et al. 2023), or of the mean distance of the next few.
- AuthPct (Alaa et al. 2022): a sample is authentic where its nearest training image has another training image
  nearer to it than the sample.
- C_T (Meehan et al. 2020): whether samples lie closer to the training set than held-out images do, by the
  Mann-Whitney test in cells of the space. Far below 0: copying; far above: samples away from the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from amdiff.errors import AmdiffError

from .intervals import Estimate

LEAST_IN_CELL = 20
"""Samples without which a cell has no part in C_T, as in the published code."""


def nearest_ratio(distance: Float64[np.ndarray, "n k"], following: int) -> Float64[np.ndarray, " n"]:
    """Distance to the nearest training image over the mean distance of the ``following`` ones.

    NaN where there are fewer. ``distance`` are the k nearest, increasing, inf where there is none. A sample that has
    all of them at distance 0 copies: its ratio is 0. Raises ``ValueError`` unless 1 <= following < k.
    """
    if not 1 <= following < distance.shape[1]:
        raise AmdiffError(
            f"{following} of the next neighbours were asked for, {distance.shape[1]} neighbours are known"
        )
    rest = distance[:, 1 : following + 1].mean(axis=1)
    ratio = np.divide(distance[:, 0], rest, out=np.zeros(len(rest)), where=rest > 0)
    ratio[~np.isfinite(rest)] = np.nan
    return ratio


def authentic(
    to_train: Float64[np.ndarray, " n"],
    nearest: Int64[np.ndarray, " n"],
    within_train: Float64[np.ndarray, " k"],
) -> Bool[np.ndarray, " n"]:
    """Whether each sample is authentic (Alaa et al. 2022, section 4.4).

    ``to_train`` is its distance to the training image ``nearest``, ``within_train`` the distance of each training image
    to another one, inf where there is none.
    """
    return to_train > within_train[nearest]


@dataclass(frozen=True)
class DataCopying:
    """C_T, and what it is made of."""

    value: float
    """Mean of the cells' Z, weighted by their held-out images."""
    z: tuple[float, ...]
    """Of each cell that counts; standard normal where samples are as far from the training set as held-out images."""
    cells: tuple[int, ...]
    """Which cells these are."""
    std: float
    """Standard deviation of the value where samples are as far from the training set as held-out images: below 1, since
    it is a mean of several Z."""


def z_score(samples: Float64[np.ndarray, " m"], heldout: Float64[np.ndarray, " n"]) -> float:
    """Mann and Whitney's U of distances, standardized: negative where the samples' are smaller (Meehan et al. 2020)."""
    m, n = len(samples), len(heldout)
    below, upto = (np.searchsorted(np.sort(heldout), samples, side) for side in ("left", "right"))
    u = float(below.sum() + upto.sum()) / 2  # a tie counts half
    return (u - m * n / 2) / float(np.sqrt(m * n * (m + n + 1) / 12))


def data_copying(
    samples: Float64[np.ndarray, " m"],
    sample_cells: Int64[np.ndarray, " m"],
    heldout: Float64[np.ndarray, " n"],
    heldout_cells: Int64[np.ndarray, " n"],
) -> DataCopying | None:
    """C_T of distances to the training images of the own cell (Meehan et al. 2020, section 4).

    None where no cell has enough samples and a held-out image.
    """
    found: list[tuple[int, float, int]] = []
    for cell in np.unique(sample_cells).tolist():
        q, p = samples[sample_cells == cell], heldout[heldout_cells == cell]
        q, p = q[np.isfinite(q)], p[np.isfinite(p)]
        if len(q) >= LEAST_IN_CELL and len(p):
            found.append((cell, z_score(q, p), len(p)))
    if not found:
        return None
    cells, z, weights = zip(*found, strict=True)
    share = np.array(weights) / sum(weights)
    return DataCopying(float(share @ np.array(z)), z, cells, float(np.sqrt((share**2).sum())))


STRONG = 0.1
"""Difference of two shares of copies from which they are said to disagree, where their intervals do not meet."""
MUTUAL = 2 / 3
"""Share of samples of the data's own law that are not authentic, at most: a sample and its nearest training image are
each other's nearest with this probability on a line, and with less in more dimensions."""
COPYING = -3.0
"""C_T, in standard deviations of its own law without copying, below which it speaks of copying."""


@dataclass(frozen=True)
class Disagreement:
    """Another measure of copying that says otherwise about the same samples."""

    kind: str
    sentence: str
    gap: float
    """How far apart the two are, to compare disagreements of one kind."""


def disagreements(memorized: Estimate, peers: Mapping[str, Any]) -> list[Disagreement]:
    """Where other measures say otherwise about the same samples, strongly.

    ``peers`` is what the stage of that name wrote: shares of copies with their intervals, and C_T.
    """
    ours = f"{memorized.value:.1%} [{memorized.low:.1%}, {memorized.high:.1%}] by delta_m"
    look = "Look at the pairs before you rely on either."
    found = []
    rules = {"ratio_second": "nearest / second nearest", "ratio_next": "nearest / mean of the next"}
    apart = {}
    for name, what in rules.items():
        rule = peers["copies"].get(name)
        if rule is None or abs(rule["share"] - memorized.value) < STRONG:
            continue
        if rule["low"] > memorized.high or rule["high"] < memorized.low:
            apart[f"{rule['share']:.1%} by the ratio {what} < {peers['ratio']:.2g}"] = rule["share"] - memorized.value
    if apart:
        sentence = f"Measures of copying disagree: {' and '.join(apart)}, {ours}. {look}"
        found.append(Disagreement("ratio", sentence, max(map(abs, apart.values()))))
    authpct = peers["copies"].get("authpct")
    if authpct is not None and authpct["low"] > max(MUTUAL, memorized.high + STRONG):
        sentence = (
            f"{authpct['share']:.1%} of the samples are not authentic (Alaa et al. 2022), where at most two thirds are "
            f"without copying, and copies are {ours}. {look}"
        )
        found.append(Disagreement("authpct", sentence, authpct["share"] - memorized.value))
    c_t = peers.get("c_t")
    if c_t is not None and c_t["value"] < COPYING * c_t["std"] and memorized.high < STRONG / 2:
        sentence = (
            f"C_T is {c_t['value']:.1f} (Meehan et al. 2020): the samples lie nearer to the training images than "
            f"held-out images do, and yet copies are {ours}. Blurred or averaged images do that as well. {look}"
        )
        found.append(Disagreement("c_t", sentence, -c_t["value"]))
    return found
