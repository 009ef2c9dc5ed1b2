"""Other measures of copying from the literature, for comparison. They take nearest distances.

- The nearest-neighbour ratio: a sample is a copy where the distance to its nearest training image is less than a third
  of the distance to the second nearest one (Yoon et al. 2023; Gu et al. 2023), or of the mean distance to the next few.
- AuthPct (Alaa et al. 2022): a sample is authentic where its nearest training image is nearer to another training image
  than to the sample.
- C_T (Meehan et al. 2020): whether samples lie closer to the training set than held-out images do, by Mann-Whitney
  tests in cells of the space. A value far below 0 indicates copying. A value far above 0 indicates that samples lie
  away from the data.
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
"""A cell with fewer samples is left out of C_T, as in the published code."""


def nearest_ratio(distance: Float64[np.ndarray, "n k"], following: int) -> Float64[np.ndarray, " n"]:
    """Return the nearest-neighbour ratio of each sample (n,).

    It is the distance to the nearest training image, divided by the mean distance to the next ``following`` ones. A
    sample is often called a copy where the ratio is below 1/3, with ``following`` = 1 (Yoon et al. 2023; Gu et al.
    2023). ``distance`` (n, k) holds the distances of each sample to its k nearest training images, in increasing order,
    and inf where there are fewer. The ratio is NaN where one of the next ``following`` images is missing. It is 0 where
    the images used are all at distance 0, since the sample is then a copy.

    Raises ``ValueError`` unless 1 <= following < k.
    """
    if not 1 <= following < distance.shape[1]:
        raise AmdiffError(
            f"'following' must be at least 1 and less than the number of known neighbours ({distance.shape[1]}), "
            f"got {following}"
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
    """Return whether each sample is authentic, (n,) (Alaa et al. 2022, section 4.4).

    A sample is authentic where its nearest training image is nearer to another training image than to the sample.
    ``nearest`` is the number of each sample's nearest training image, and ``to_train`` the distance to it.
    ``within_train`` (k,) is the distance of each training image to the nearest other one, inf where there is no other.
    """
    return to_train > within_train[nearest]


@dataclass(frozen=True)
class DataCopying:
    """C_T and the scores of the cells that it is the mean of."""

    value: float
    """C_T: the mean of the cells' Z, weighted by the number of held-out images in each cell."""
    z: tuple[float, ...]
    """Z of each cell that counts. It is standard normal where samples are as far from the training set as held-out
    images are."""
    cells: tuple[int, ...]
    """Numbers of the cells that count."""
    std: float
    """Standard deviation of C_T where samples are as far from the training set as held-out images are. It is below 1
    where several cells count, since C_T is then a mean of several Z."""


def z_score(samples: Float64[np.ndarray, " m"], heldout: Float64[np.ndarray, " n"]) -> float:
    """Return Mann and Whitney's U of the distances of samples and held-out images, standardized (Meehan et al. 2020).

    It is negative where the samples' distances are smaller.
    """
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
    """Return C_T: whether samples lie closer to the training set than held-out images do (Meehan et al. 2020).

    The space is divided into cells (section 4 of the paper). ``samples`` (m,) and ``heldout`` (n,) are distances to the
    nearest training image in the same cell; infinite ones are left out. ``sample_cells`` and ``heldout_cells`` are the
    numbers of the cells. A value far below 0, in units of ``std``, indicates copying.

    Returns None where no cell has at least 20 samples and one held-out image.
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
"""Two shares of copies disagree where they differ by at least this much and their intervals do not overlap."""
MUTUAL = 2 / 3
"""Largest share of samples that are not authentic where samples have the distribution of the data. A sample and its
nearest training image are each other's nearest with this probability on a line, and with a smaller one in more
dimensions."""
COPYING = -3.0
"""A C_T below this indicates copying. The unit is the standard deviation that C_T has without copying."""


@dataclass(frozen=True)
class Disagreement:
    """Another measure of copying that contradicts the memorized share of the same samples."""

    kind: str
    sentence: str
    """What a report says about it."""
    gap: float
    """How far the two are apart; only gaps of the same kind can be compared."""


def disagreements(memorized: Estimate, peers: Mapping[str, Any]) -> list[Disagreement]:
    """Find the other measures that strongly contradict the memorized share of the same samples.

    ``peers`` is the summary that the stage 'peers' wrote: shares of copies with their intervals, and C_T.
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
        sentence = f"Measures of copying disagree: the share of copies is {' and '.join(apart)}, but {ours}. {look}"
        found.append(Disagreement("ratio", sentence, max(map(abs, apart.values()))))
    authpct = peers["copies"].get("authpct")
    if authpct is not None and authpct["low"] > max(MUTUAL, memorized.high + STRONG):
        sentence = (
            f"{authpct['share']:.1%} of the samples are not authentic (Alaa et al. 2022). Without copying, at most two "
            f"thirds would be. Yet the share of copies is only {ours}. {look}"
        )
        found.append(Disagreement("authpct", sentence, authpct["share"] - memorized.value))
    c_t = peers.get("c_t")
    if c_t is not None and c_t["value"] < COPYING * c_t["std"] and memorized.high < STRONG / 2:
        sentence = (
            f"C_T is {c_t['value']:.1f} (Meehan et al. 2020): the samples lie nearer to the training images than "
            f"held-out images do. Yet the share of copies is only {ours}. Blurred or averaged images can lie so near "
            f"without being copies. {look}"
        )
        found.append(Disagreement("c_t", sentence, -c_t["value"]))
    return found
