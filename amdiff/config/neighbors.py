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
    """Metric of the distance between two images.

    'pixels' is the Euclidean distance of images in [-1, 1]. 'lpips-...' is LPIPS (Zhang et al. 2018), heads v0.1, on
    AlexNet, VGG-16 or SqueezeNet. 'stlpips-alex' is its shift-tolerant variant (Ghildyal and Liu 2022), which needs no
    download.
    """
    k: Annotated[int, Field(ge=2, le=1000)] = 5
    """Number of neighbours that are kept for each sample."""
    heldout_limit: Annotated[int, Field(ge=0)] = 2000
    """At most this many held-out real images are compared, for thresholds and false-positive rates."""

    @property
    def by(self) -> Metric:
        """The record of the metric."""
        return METRICS[self.metric]


class OtherMetricSpec(Spec):
    """Another metric by which the same samples are sorted, to browse and to compare."""

    metric: MetricName
    """Name of the metric, as in ``neighbors``."""
    thresholds: OwnThresholds = ValleyThresholds(method="valley")
    """How to find this metric's thresholds."""


class PeersSpec(Spec):
    """Other measures of copying from the literature, for comparison (``phases.copying``)."""

    ratio: Annotated[float, Field(gt=0, lt=1)] = 1 / 3
    """A sample is a copy if the distance to its nearest training image is below this share of another distance.

    That distance is the one to the second nearest training image, or the mean distance to the next ``following`` ones.
    Both rules are reported.
    """
    following: Annotated[int, Field(ge=1)] = 4
    """Number of training images after the nearest one, for the mean distance. It must be less than neighbors.k."""
    cells: Annotated[int, Field(ge=1, le=1000)] = 5
    """Number of cells of the space in which C_T compares. On average a cell holds at least ten training images."""
    confidence: Probability = 0.95
    """Confidence level of the intervals."""
    seed: Seed = 0


class PanelsSpec(Spec):
    """Galleries of samples of each class, with their neighbours (fig. 1B)."""

    keep: Annotated[int, Field(ge=1)] = 512
    """Number of samples of each class that are listed, in the order of the paper."""
    columns: Annotated[int, Field(ge=1, le=32)] = 6
    """Number of samples of each class that a gallery shows."""
    neighbors: Annotated[int, Field(ge=1, le=16)] = 4
    """Number of neighbours shown with each sample, in S and in S'."""
    browse: Annotated[int, Field(ge=0, le=10_000)] = 96
    """Number of samples of each class, K and metric that a reader can browse on the page; 0 for none.

    These are the clearest cases, those next to the threshold, and the first ones by each distance.
    """
    browse_mb: Annotated[float, Field(gt=0)] = 24.0
    """Largest size of all pictures for browsing, in MiB of pixels. If they are larger, the page shows fewer samples or
    smaller pictures."""
