"""Where the landscape is looked at: samples of each class, and training points.

A class with less than ``min_share`` of the synthetic set is left out (appendix C.2), as is one
with a single sample, whose spread nobody knows.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int8, Int64

from amdiff.phases.classes import CLASSES, ordered

GROUPS = ("train", *CLASSES)
"""Kinds of targets: training points, and the three classes of samples."""


def choose_samples(
    classes: Int8[np.ndarray, " n"],
    to_train: Float64[np.ndarray, " n"],
    to_samples: Float64[np.ndarray, " n"],
    count: int,
    min_share: float,
) -> dict[str, Int64[np.ndarray, " m"]]:
    """Up to ``count`` samples of each class, the clearest cases first; classes that are too small are absent."""
    chosen = {}
    for number, name in enumerate(CLASSES):
        members = ordered(classes, to_train, to_samples, number)
        if len(members) >= max(2, min_share * len(classes)):
            chosen[name] = members[:count]
    return chosen
