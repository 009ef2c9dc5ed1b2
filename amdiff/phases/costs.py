"""How far a threshold can be trusted: how many real images it flags, and how the shares change when it is varied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from amdiff.config import ThresholdsSpec

from .classes import MEMORIZED, SPURIOUS, classify
from .distances import REST, Distances, Pair
from .intervals import wilson


def false_positives(distances: Distances, pair: Pair, confidence: float) -> dict[str, Any]:
    """Return the shares of held-out real images that would be called memorized or spurious, with Wilson intervals.

    Thresholds of method ``heldout`` are calibrated on one half of the held-out images. For these, only the other half
    is counted. "Spurious" means that a held-out image is near another one, at any distance to S. This share is counted
    within each half. It is then scaled to a set of as many real images as there are samples, since an image finds a
    neighbour more easily in a larger set. The shares are ``None`` where there are too few held-out images.
    """
    calibrated = "heldout" in (pair.delta_m.method, pair.delta_s.method)
    part = REST if calibrated else slice(None)
    to_train, within = distances.heldout_to_train[part], distances.heldout_within[part]
    count = len(to_train)
    if count < 2 or len(distances.heldout_within[REST]) < 2:
        return {"n": count, "memorized": None, "spurious": None}
    memorized = wilson(float((to_train <= pair.delta_m.value).mean()), count, confidence)
    # images that are near another one come in pairs, so there are half as many independent trials
    spurious = wilson(float((within <= pair.delta_s.value).mean()), count / 2, confidence)
    scale = (len(distances.to_samples) - 1) / (len(distances.heldout_within[REST]) - 1)
    scaled = {name: min(value * scale, 1.0) for name, value in spurious._asdict().items()}
    return {"n": count, "memorized": memorized._asdict(), "spurious": scaled}


def sensitivity(distances: Distances, pair: Pair, factors: Sequence[float]) -> dict[str, Any]:
    """Return memorized and spurious shares when delta_m (rows) and delta_s (columns) are multiplied by ``factors``."""
    memorized, spurious = [], []
    for m in factors:
        counts = [
            np.bincount(
                classify(distances.to_train, distances.to_samples, m * pair.delta_m.value, s * pair.delta_s.value),
                minlength=3,
            )
            / len(distances.to_train)
            for s in factors
        ]
        memorized.append([float(c[MEMORIZED]) for c in counts])
        spurious.append([float(c[SPURIOUS]) for c in counts])
    return {"factors": list(factors), "memorized": memorized, "spurious": spurious}


def as_json(distances: Distances, pair: Pair, spec: ThresholdsSpec) -> dict[str, Any]:
    """Return everything that is known about the thresholds of one K, as plain data."""
    return {
        "size": distances.size,
        "delta_m": asdict(pair.delta_m),
        "delta_s": asdict(pair.delta_s),
        "d0": pair.d0,
        **({"stand_in": True} if distances.stand_in else {}),
        "false_positives": false_positives(distances, pair, spec.confidence),
        "sensitivity": sensitivity(distances, pair, spec.sensitivity),
    }
