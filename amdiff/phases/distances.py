"""Nearest distances of a sweep, and thresholds on them (appendix B.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

CALIBRATION, REST = slice(0, None, 2), slice(1, None, 2)
"""The held-out images that calibrate, and those on which errors are reported.

The held-out images of one K start with those of a larger one, so what calibrates at one calibrates at all.
"""


@dataclass(frozen=True)
class Distances:
    """Nearest distances of one training-set size."""

    size: int
    """K."""
    to_train: Float64[np.ndarray, " n"]
    """S' to S."""
    to_samples: Float64[np.ndarray, " n"]
    """S' to S' without itself."""
    heldout_to_train: Float64[np.ndarray, " h"]
    """Held-out images to S. Every other one, from the first, calibrates."""
    heldout_within: Float64[np.ndarray, " h"]
    """Held-out images to others of their own half; inf where there is none."""
    heldout_nearest: Float64[np.ndarray, " h"]
    """Held-out images to any other; inf where there is none."""
    heldout_rows: Int64[np.ndarray, " h"]
    """Which images these are, the same number for the same image at every K."""
    stand_in: bool = False
    """No image is held out: training images, each without itself, stand for held-out ones."""


@dataclass(frozen=True)
class Threshold:
    """One threshold, how it was found, and its bootstrap interval."""

    value: float
    low: float
    high: float
    method: str
    note: str = ""
    modes: tuple[float, ...] = ()
    """Distances at the density's modes (``valley``)."""
    dip_p_value: float | None = None
    """Of the hypothesis that there is one mode (``valley``)."""

    @property
    def reservation(self) -> str:
        """What limits the trust in it: a fallback, an extrapolation; empty where it was found as asked."""
        found_as_asked = self.method == "fixed" or self.note.endswith("quantile of real images")
        return "" if found_as_asked else self.note


@dataclass(frozen=True)
class Pair:
    """Both thresholds, for one K or for all."""

    delta_m: Threshold
    delta_s: Threshold
    d0: float | None = None
    """Softness of the logarithm, in the metric's unit (``valley``)."""
