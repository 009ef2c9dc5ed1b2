"""What a threshold costs: real images that it flags, and what varying it changes."""

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
    """Shares of held-out real images that would be called memorized or spurious, with Wilson intervals.

    For ``heldout`` thresholds on the half that did not calibrate. "Spurious" means near another held-out image,
    whatever its distance to S; it is counted within halves and scaled to what |S'| real images would show, since a
    sample finds a neighbour more easily in a larger set. ``None`` where no image is held out.
    """
    calibrated = "heldout" in (pair.delta_m.method, pair.delta_s.method)
    part = REST if calibrated else slice(None)
    to_train, within = distances.heldout_to_train[part], distances.heldout_within[part]
    count = len(to_train)
    if count < 2 or len(distances.heldout_within[REST]) < 2:
        return {"n": count, "memorized": None, "spurious": None}
    memorized = wilson(float((to_train <= pair.delta_m.value).mean()), count, confidence)
    # what is near another image comes in pairs, of which there are half as many
    spurious = wilson(float((within <= pair.delta_s.value).mean()), count / 2, confidence)
    scale = (len(distances.to_samples) - 1) / (len(distances.heldout_within[REST]) - 1)
    scaled = {name: min(value * scale, 1.0) for name, value in spurious._asdict().items()}
    return {"n": count, "memorized": memorized._asdict(), "spurious": scaled}


def sensitivity(distances: Distances, pair: Pair, factors: Sequence[float]) -> dict[str, Any]:
    """Fractions when delta_m (rows) and delta_s (columns) are varied by ``factors``."""
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
    """Everything about one K's thresholds, as plain data."""
    return {
        "size": distances.size,
        "delta_m": asdict(pair.delta_m),
        "delta_s": asdict(pair.delta_s),
        "d0": pair.d0,
        **({"stand_in": True} if distances.stand_in else {}),
        "false_positives": false_positives(distances, pair, spec.confidence),
        "sensitivity": sensitivity(distances, pair, spec.sensitivity),
    }
