"""Choose the targets at which the landscape is measured: samples of each class, and training points.

A class with less than ``min_share`` of the synthetic set is left out (appendix C.2). A class with a single sample is
left out as well, since its spread is unknown.
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
    """Choose the clearest samples of each class.

    Parameters
    ----------
    classes
        Class of each of n samples, from ``phases.classify``.
    to_train
        Distance of each sample to the nearest training image (n,).
    to_samples
        Distance of each sample to the nearest other sample (n,).
    count
        Largest number of samples of each class.
    min_share
        A class with less than this share of the samples is left out, between 0 and 1.

    Returns
    -------
    dict
        Numbers of the chosen samples by the class's name, the clearest first. Classes that are too small are absent.
    """
    chosen = {}
    for number, name in enumerate(CLASSES):
        members = ordered(classes, to_train, to_samples, number)
        if len(members) >= max(2, min_share * len(classes)):
            chosen[name] = members[:count]
    return chosen
