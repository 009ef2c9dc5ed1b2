"""What a spectrum of the score's Jacobian says: normalisation and dimension (section 4.2, appendix D).

Singular values are divided by ``sigma_t sqrt(rows var q)``, with ``var q`` the variance of a component of a
direction: in the linear regime they are then those of the Jacobian itself, whatever the directions.
Times ``sigma_t^2`` an exact score gives 1 across the data, where noise alone decides, and 0 along the data's
manifold, where the density does not change; between data, where the density is lowest, also more than 1
(singular values have no sign).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64


def normalisation(sigma: float, rows: int, variance: float) -> float:
    """What raw singular values are divided by."""
    return float(sigma * np.sqrt(rows * variance))


def dimension_by_gap(spectra: Float[np.ndarray, "n d"]) -> Int64[np.ndarray, " n"]:
    """Number of singular values behind the largest gap (Stanczuk et al. 2022).

    ``spectra`` in decreasing order. Directions across the manifold come first; those behind the gap lie along it. The
    gap behind the last value, down to 0, counts as well (ours): so a point has dimension 0.
    """
    gaps = -np.diff(spectra, axis=1, append=0)
    return (spectra.shape[1] - 1 - gaps.argmax(axis=1)).astype(np.int64)


def dimension_by_threshold(
    spectra: Float[np.ndarray, "n d"], sigma: float, threshold: float
) -> Int64[np.ndarray, " n"]:
    """Number of normalised singular values with ``s sigma^2 < threshold``, a share of full contraction."""
    return (spectra * sigma**2 < threshold).sum(axis=1).astype(np.int64)
