"""Near copies: samples that lie nearer to the training set than real images do.

A sample outside delta_m is not yet a new image. It may be a displaced or blurred copy of a training image. Real images
that the model has not seen tell how near to the training set a new image comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from amdiff.config import LEAST_HELDOUT

from .intervals import Estimate, wilson

NEAR = 0.01
"""Quantile of the held-out images' distances below which a sample is nearer than 99 % of them."""


@dataclass(frozen=True)
class NearCopies:
    """How many samples lie nearer to the training set than held-out images do."""

    heldout: int
    """Number of held-out images."""
    nearest: float
    """Distance of the held-out image that is nearest to the training set, in the metric's unit."""
    percentile: float
    """Distance to the training set that 99 % of the held-out images exceed, in the metric's unit."""
    than_all: Estimate
    """Share of the samples that are nearer to the training set than every held-out image."""
    than_most: Estimate
    """Share of the samples that are nearer to the training set than 99 % of the held-out images. It is about 1 % for
    samples that have the distribution of the data."""

    def where(self, to_train: Float64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Return whether each sample is a near copy: nearer to the training set than every held-out image."""
        return to_train < self.nearest

    def as_json(self) -> dict[str, Any]:
        """Return the result as plain data."""
        shares = {"than_all": self.than_all._asdict(), "than_most": self.than_most._asdict()}
        return {"heldout": self.heldout, "nearest": self.nearest, "percentile": self.percentile, **shares}


def near_copies(
    to_train: Float64[np.ndarray, " n"], heldout_to_train: Float64[np.ndarray, " h"], confidence: float = 0.95
) -> NearCopies | None:
    """Count the samples that are nearer to the training images than held-out real images are.

    ``to_train`` and ``heldout_to_train`` are the distances of samples and of held-out images to the nearest training
    image. ``confidence`` is the level of the intervals, between 0 and 1. Returns None where there are no samples, or
    fewer than 20 held-out images with a finite distance.
    """
    real = heldout_to_train[np.isfinite(heldout_to_train)]
    if len(real) < LEAST_HELDOUT or not len(to_train):
        return None
    nearest, percentile = float(real.min()), float(np.quantile(real, NEAR, method="lower"))
    all_, most = (wilson(float((to_train < d).mean()), len(to_train), confidence) for d in (nearest, percentile))
    return NearCopies(len(real), nearest, percentile, all_, most)
