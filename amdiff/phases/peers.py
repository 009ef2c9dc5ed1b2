"""The field's other measures of copying, to compare with: on nearest distances that are there already.

- The nearest-neighbour ratio: a sample copies its nearest training image where that is closer than a third of the
  distance of the next (Yoon et al. 2023; Gu et al. 2023), or of the mean distance of the next few.
- AuthPct (Alaa et al. 2022): a sample is authentic where its nearest training image has another training image
  nearer to it than the sample.
- C_T (Meehan et al. 2020): whether samples lie closer to the training set than held-out images do, by the
  Mann-Whitney test in cells of the space. Far below 0: copying; far above: samples away from the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

LEAST_IN_CELL = 20
"""Samples without which a cell has no part in C_T, as in the published code."""


def nearest_ratio(distance: Float64[np.ndarray, "n k"], following: int) -> Float64[np.ndarray, " n"]:
    """Distance to the nearest training image over the mean distance of the ``following`` ones.

    NaN where there are fewer. ``distance`` are the k nearest, increasing, inf where there is none. A sample that has
    all of them at distance 0 copies: its ratio is 0. Raises ``ValueError`` unless 1 <= following < k.
    """
    if not 1 <= following < distance.shape[1]:
        raise ValueError(f"{following} of the next neighbours were asked for, {distance.shape[1]} neighbours are known")
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
