"""Records of nearest distances and of thresholds (appendix B.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

CALIBRATION, REST = slice(0, None, 2), slice(1, None, 2)
"""The two halves of the held-out images: one calibrates thresholds, the other serves to report their errors.

Held-out lists are nested (that of a larger K is the start of that of a smaller K), so an image stays in the same half
for every K.
"""


@dataclass(frozen=True)
class Distances:
    """Nearest distances for one training-set size K, in the metric's unit."""

    size: int
    """Number K of training images."""
    to_train: Float64[np.ndarray, " n"]
    """Distance of each sample to the nearest training image."""
    to_samples: Float64[np.ndarray, " n"]
    """Distance of each sample to the nearest other sample."""
    heldout_to_train: Float64[np.ndarray, " h"]
    """Distance of each held-out image to the nearest training image. Images 0, 2, 4, ... calibrate ``heldout``
    thresholds; images 1, 3, 5, ... serve to report their errors."""
    heldout_within: Float64[np.ndarray, " h"]
    """Distance of each held-out image to the nearest other one in its own half; inf where there is no other."""
    heldout_nearest: Float64[np.ndarray, " h"]
    """Distance of each held-out image to the nearest other one; inf where there is no other."""
    heldout_rows: Int64[np.ndarray, " h"]
    """Number of each held-out image in the dataset. An image has the same number at every K."""
    stand_in: bool = False
    """Whether training images stand in for held-out ones. Each is then compared with the other training images."""


@dataclass(frozen=True)
class AtSize:
    """What one K of a sweep says about the valley of all K together."""

    size: int
    """Number K of training images."""
    dip_p_value: float
    """p-value of the hypothesis that the density of this K alone has one mode (Hartigan's dip test)."""
    separated: bool
    """Whether this K alone has a mode on each side of the threshold, and one mode is rejected, with Bonferroni's
    correction for the number of K."""
    without: float | None
    """The threshold that is found if this K is left out. None where there is no valley without it, or no other K."""


@dataclass(frozen=True)
class Threshold:
    """One threshold, its range, and how it was found."""

    value: float
    """The threshold, in the metric's unit."""
    low: float
    """Lower end of its range. This is the bootstrap interval; for a valley that is flat, or that no single K has, it
    also covers the flat part and the thresholds that are found with each K left out."""
    high: float
    """Upper end of its range."""
    method: str
    """The method that gave the value: 'fixed', 'valley' or 'heldout'."""
    note: str = ""
    """How the value was found, in words."""
    modes: tuple[float, ...] = ()
    """Distances at the density's modes; empty for methods other than ``valley``."""
    dip_p_value: float | None = None
    """p-value of the hypothesis that the density has one mode; None for methods other than ``valley``."""
    sizes: tuple[AtSize, ...] = ()
    """What each K alone says about the valley; empty for methods other than ``valley``."""

    @property
    def reservation(self) -> str:
        """Why the threshold is to be trusted less, such as a fallback; empty where the requested method worked."""
        found_as_asked = self.method == "fixed" or self.note.endswith("quantile of real images")
        return "" if found_as_asked else self.note


@dataclass(frozen=True)
class Pair:
    """The two thresholds, for one K or for a whole sweep."""

    delta_m: Threshold
    """A sample is memorized where its distance to the training set is at most this threshold."""
    delta_s: Threshold
    """A sample that is not memorized is spurious where its distance to another sample is at most this threshold."""
    d0: float | None = None
    """Distance below which the soft logarithm is flat, in the metric's unit; None for methods other than ``valley``."""
