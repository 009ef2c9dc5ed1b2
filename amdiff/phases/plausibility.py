"""Whether samples look like the data at all: as near to the training images as real images come.

A network that is not trained, or has diverged, draws noise. Noise is no copy and never comes again, so all of it is
"generalized", which it is not. Its distance to the training set gives it away: held-out real images come nearer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from amdiff.config import LEAST_HELDOUT

from .intervals import Estimate, wilson

REACH = 0.99
"""Share of the held-out images that come nearer to the training set than the distance beyond which a sample is far."""
MOST_FAR = 0.5
"""Share of far samples above which, surely, the set is implausible."""


@dataclass(frozen=True)
class Plausibility:
    """How many samples lie farther from the training images than real images do."""

    reach: float
    """Distance within which 99 % of the held-out images have a training image."""
    far: Estimate
    """Share of the samples beyond it; about 1 % of samples that are as the data."""

    @property
    def implausible(self) -> bool:
        """Whether surely more than half of the samples look like no real image."""
        return self.far.low > MOST_FAR

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"reach": self.reach, "far": self.far._asdict(), "implausible": self.implausible}


def plausibility(
    to_train: Float64[np.ndarray, " n"], heldout_to_train: Float64[np.ndarray, " h"], confidence: float = 0.95
) -> Plausibility | None:
    """Compare distances to the training set; None with fewer than 20 held-out images."""
    real = heldout_to_train[np.isfinite(heldout_to_train)]
    if len(real) < LEAST_HELDOUT or not len(to_train):
        return None
    reach = float(np.quantile(real, REACH, method="higher"))
    return Plausibility(reach, wilson(float((to_train > reach).mean()), len(to_train), confidence))


def implausible_sentence(far: Estimate, where: str = "") -> str:
    """What to say of an implausible set."""
    return (
        f"The samples{where} look like no real image of these data: {far.value:.1%} of them [{far.low:.1%}, "
        f"{far.high:.1%}] lie farther from the training images than 99 % of held-out real images do, as noise does. "
        "Their shares say nothing about memorization; look at the samples, and at the training of the model."
    )
