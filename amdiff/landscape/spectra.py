"""What a spectrum of the score's Jacobian says: normalisation and dimension (section 4.2, appendix D).

Singular values are divided by ``sigma_t sqrt(rows var q)``, with ``var q`` the variance of a component of a
direction: in the linear regime they are then those of the Jacobian itself, whatever the directions.
Times ``sigma_t^2`` they lie in [0, 1] for an exact score: 1 across the data, where noise alone decides, 0 along
the data's manifold, where the density does not change.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64


def normalisation(sigma: float, rows: int, variance: float) -> float:
    """What raw singular values are divided by."""
    return float(sigma * np.sqrt(rows * variance))


def dimension_by_gap(spectra: Float[np.ndarray, "n d"]) -> Int64[np.ndarray, " n"]:
    """Number of singular values behind the largest gap (Stanczuk et al. 2022).

    ``spectra`` in decreasing order. Directions across the manifold come first; those behind the gap lie along it.
    Raises ``ValueError`` for d = 1, where there is no gap.
    """
    d = spectra.shape[1]
    if d < 2:
        raise ValueError("a gap needs at least two singular values, got one")
    gaps = spectra[:, :-1] - spectra[:, 1:]
    return (d - 1 - gaps.argmax(axis=1)).astype(np.int64)


def dimension_by_threshold(
    spectra: Float[np.ndarray, "n d"], sigma: float, threshold: float
) -> Int64[np.ndarray, " n"]:
    """Number of normalised singular values with ``s sigma^2 < threshold``, a share of full contraction."""
    return (spectra * sigma**2 < threshold).sum(axis=1).astype(np.int64)
