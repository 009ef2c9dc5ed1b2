"""Check that samples look like the data: they should be as near to the training images as real images are.

A network that is not trained, or has diverged, draws noise. Noise is neither a copy nor similar to another sample, so
it would be classed as generalized. Its distance to the training set reveals it, since held-out real images are nearer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from amdiff.config import LEAST_HELDOUT

from .intervals import Estimate, wilson

REACH = 0.99
"""A sample is far where it is farther from the training set than this share of the held-out images."""
MOST_FAR = 0.5
"""A set is implausible where the whole confidence interval of its share of far samples lies above this."""


@dataclass(frozen=True)
class Plausibility:
    """How many samples lie farther from the training images than real images do."""

    reach: float
    """Distance within which 99 % of the held-out images have a training image, in the metric's unit."""
    far: Estimate
    """Share of the samples that have no training image within ``reach``. It is about 1 % for samples that have the
    distribution of the data."""

    @property
    def implausible(self) -> bool:
        """Whether most samples look like no real image: the whole interval of ``far`` lies above one half."""
        return self.far.low > MOST_FAR

    def as_json(self) -> dict[str, Any]:
        """Return the result as plain data."""
        return {"reach": self.reach, "far": self.far._asdict(), "implausible": self.implausible}


def plausibility(
    to_train: Float64[np.ndarray, " n"], heldout_to_train: Float64[np.ndarray, " h"], confidence: float = 0.95
) -> Plausibility | None:
    """Measure how many samples lie farther from the training images than 99 % of held-out real images do.

    ``to_train`` and ``heldout_to_train`` are the distances of samples and of held-out images to the nearest training
    image. ``confidence`` is the level of the interval, between 0 and 1. Returns None where there are no samples, or
    fewer than 20 held-out images with a finite distance.
    """
    real = heldout_to_train[np.isfinite(heldout_to_train)]
    if len(real) < LEAST_HELDOUT or not len(to_train):
        return None
    reach = float(np.quantile(real, REACH, method="higher"))
    return Plausibility(reach, wilson(float((to_train > reach).mean()), len(to_train), confidence))


def implausible_sentence(far: Estimate, where: str = "") -> str:
    """Return the warning for an implausible set; ``where`` tells which samples, as in " at K = 16"."""
    return (
        f"The samples{where} look like no real image of these data: {far.value:.1%} of them [{far.low:.1%}, "
        f"{far.high:.1%}] lie farther from the training images than 99 % of held-out real images do, as noise does. "
        "Their shares say nothing about memorization; look at the samples, and at the training of the model."
    )
