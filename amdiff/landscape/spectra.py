"""Normalise spectra of the score's Jacobian, and estimate dimensions from them (section 4.2, appendix D).

Singular values are divided by ``sigma_t sqrt(rows var q)``, where ``var q`` is the variance of one component of a
direction. In the linear regime they are then the singular values of the Jacobian, for any choice of directions.

Normalised values of an exact score, times ``sigma_t^2``, are 1 in directions across the data's manifold, where only the
noise matters. They are 0 along the manifold, where the density does not change. Between data, where the density is
lowest, they can exceed 1, since singular values have no sign.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64


def normalisation(sigma: float, rows: int, variance: float) -> float:
    """Return the number that raw singular values are divided by to normalise them, ``sigma sqrt(rows variance)``.

    ``sigma`` is the standard deviation of the noise, and ``rows`` the number of directions. ``variance`` is that of one
    component of a direction: 1 for Gaussian directions, 1/d for the d orthonormal ones.
    """
    return float(sigma * np.sqrt(rows * variance))


def dimension_by_gap(spectra: Float[np.ndarray, "n d"]) -> Int64[np.ndarray, " n"]:
    """Estimate the dimension of the data's manifold as the number of singular values after the largest gap.

    ``spectra`` holds the singular values of each image in decreasing order, and the result is (n,). The first values
    belong to directions across the manifold, those after the gap to directions along it (Stanczuk et al. 2022). The gap
    between the last value and 0 counts as well (ours), so that a single point has dimension 0.
    """
    gaps = -np.diff(spectra, axis=1, append=0)
    return (spectra.shape[1] - 1 - gaps.argmax(axis=1)).astype(np.int64)


def dimension_by_threshold(
    spectra: Float[np.ndarray, "n d"], sigma: float, threshold: float
) -> Int64[np.ndarray, " n"]:
    """Estimate the dimension of the data's manifold as the number of small singular values.

    ``spectra`` holds the normalised singular values s of each image, and the result is (n,). ``sigma`` is the standard
    deviation of the noise. A value counts where ``s sigma^2 < threshold``. The threshold is between 0 and 1, where 1 is
    the contraction across the manifold.
    """
    return (spectra * sigma**2 < threshold).sum(axis=1).astype(np.int64)
