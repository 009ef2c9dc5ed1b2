"""Find the thresholds delta_m and delta_s (appendix B.3).

- ``fixed``: the thresholds are given.
- ``valley``: a threshold is the lowest point between the outermost modes of the density of soft log distances.
- ``heldout``: a threshold is a low quantile of the distances of held-out real images, so few real images are closer. It
  is an upper bound, which is looser than duplication where data are diverse. One half of the held-out images calibrates
  the threshold; its error is reported on the other half.
"""

from __future__ import annotations

from collections.abc import Sequence

from amdiff.config import FixedThresholds, HeldoutThresholds, ValleyThresholds

from .distances import Distances, Pair, Threshold
from .heldout import heldout_pair
from .valleys import valley_pair


def find_thresholds(
    sweep: Sequence[Distances], spec: FixedThresholds | HeldoutThresholds | ValleyThresholds
) -> list[Pair]:
    """Find the pair of thresholds for each K of a sweep.

    ``sweep`` holds the nearest distances of each K, and ``spec`` is the method with its options. The pairs are equal
    for all K where the thresholds are fixed, or where ``spec.pooled`` asks for one estimate from all K together.

    Raises ``ValueError`` where the method needs held-out images and there are fewer than 20, and where the held-out
    images are duplicates, so that no distance scale follows from them.
    """
    if isinstance(spec, FixedThresholds):
        m, s = (Threshold(v, v, v, "fixed", "given in the configuration") for v in (spec.delta_m, spec.delta_s))
        return [Pair(m, s)] * len(sweep)
    groups = [list(sweep)] if spec.pooled else [[d] for d in sweep]
    if isinstance(spec, HeldoutThresholds):
        pairs = [heldout_pair(group, spec.quantile, spec) for group in groups]
    else:
        pairs = [valley_pair(group, spec) for group in groups]
    return pairs * len(sweep) if spec.pooled else pairs
