"""Neighbours, other measures of copying, and galleries (appendix B.2 and B.3, fig. 1B)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from amdiff.catalogue.metrics import FIRST, METRICS, Metric, MetricName

from .base import Probability, Seed, Spec
from .thresholds import OwnThresholds, ValleyThresholds


class NeighborsSpec(Spec):
    """Nearest neighbours of S' in S and in S' itself (appendix B.2)."""

    metric: MetricName = FIRST
    """pixels: Euclidean distance of images in [-1, 1]. lpips-*: LPIPS (Zhang et al. 2018), heads v0.1, on AlexNet,
    VGG-16 or SqueezeNet. stlpips-alex: its shift-tolerant variant (Ghildyal and Liu 2022), which needs no download."""
    k: Annotated[int, Field(ge=2, le=1000)] = 5
    """Neighbours kept for each sample."""
    heldout_limit: Annotated[int, Field(ge=0)] = 2000
    """At most this many held-out real images are compared, for thresholds and false-positive rates."""

    @property
    def by(self) -> Metric:
        """The metric."""
        return METRICS[self.metric]


class OtherMetricSpec(Spec):
    """The same samples sorted by another metric, to browse and to compare with."""

    metric: MetricName
    thresholds: OwnThresholds = ValleyThresholds(method="valley")
    """How to find this metric's thresholds."""


class PeersSpec(Spec):
    """The field's other measures of copying, to compare with (``phases.copying``)."""

    ratio: Annotated[float, Field(gt=0, lt=1)] = 1 / 3
    """A sample copies its nearest training image where that is closer than this share of the distance of the next."""
    following: Annotated[int, Field(ge=1)] = 4
    """Next training images whose mean distance is compared with; fewer than neighbors.k."""
    cells: Annotated[int, Field(ge=1, le=1000)] = 5
    """Cells of the space in which C_T compares; of at least ten training images in the mean."""
    confidence: Probability = 0.95
    seed: Seed = 0


class PanelsSpec(Spec):
    """Galleries: samples of each class with their neighbours (fig. 1B)."""

    keep: Annotated[int, Field(ge=1)] = 512
    """Samples of each class that are kept, in the order of the paper."""
    columns: Annotated[int, Field(ge=1, le=32)] = 6
    """Samples of each class that are drawn."""
    neighbors: Annotated[int, Field(ge=1, le=16)] = 4
    """Neighbours drawn for each sample, in S and in S'."""
    browse: Annotated[int, Field(ge=0, le=10_000)] = 96
    """Samples of each class, K and metric that can be browsed on the page: the clearest, those next to the threshold,
    and the first by each distance; 0 for none."""
    browse_mb: Annotated[float, Field(gt=0)] = 24.0
    """Pixels of all pictures that can be browsed, in MiB; where there are more, fewer samples or smaller pictures are
    shown."""
