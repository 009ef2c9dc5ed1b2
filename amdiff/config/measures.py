"""Measurements: neighbours, thresholds, galleries (appendix B.2 and B.3, fig. 1B)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from .base import Probability, Seed, Spec

Metric = Literal["pixels", "lpips-alex", "lpips-vgg", "lpips-squeeze", "stlpips-alex"]

Backbone = Literal["alex", "vgg", "squeeze"]

BACKBONES: dict[str, Backbone] = {"lpips-alex": "alex", "lpips-vgg": "vgg", "lpips-squeeze": "squeeze"}
"""Networks that LPIPS takes from torchvision, by metric."""

BACKBONE_FILES: dict[Backbone, str] = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}
"""torchvision's files; each name ends in the first digits of the file's SHA-256."""

LEAST_HELDOUT = 20
"""Held-out images without which no threshold is estimated."""


def official_digest(backbone: Backbone) -> str:
    """First digits of the SHA-256 of torchvision's file."""
    return BACKBONE_FILES[backbone].removesuffix(".pth").rsplit("-", 1)[1]


class NeighborsSpec(Spec):
    """Nearest neighbours of S' in S and in S' itself (appendix B.2)."""

    metric: Metric = "pixels"
    """pixels: Euclidean distance of images in [-1, 1]. lpips-*: LPIPS (Zhang et al. 2018), heads v0.1, on AlexNet,
    VGG-16 or SqueezeNet. stlpips-alex: its shift-tolerant variant (Ghildyal and Liu 2022), which needs no download."""
    k: Annotated[int, Field(ge=2, le=1000)] = 5
    """Neighbours kept for each sample."""
    heldout_limit: Annotated[int, Field(ge=0)] = 2000
    """At most this many held-out real images are compared, for thresholds and false-positive rates."""


class ThresholdsBase(Spec):
    confidence: Probability = 0.95
    """Level of every interval, and of the test that the density of 'valley' has two modes."""
    sensitivity: tuple[Annotated[float, Field(gt=0)], ...] = (0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 2.0)
    """Factors by which both thresholds are varied in the sensitivity grid."""

    @field_validator("sensitivity")
    @classmethod
    def _around_one(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if 1.0 not in value or list(value) != sorted(set(value)):
            raise ValueError(
                f"sensitivity is an increasing list of distinct factors with 1.0 among them, got {list(value)}"
            )
        return value

    @property
    def shared(self) -> bool:
        """Whether one pair of thresholds serves all K of a sweep."""
        return bool(getattr(self, "pooled", True))


class EstimatedThresholds(ThresholdsBase):
    """Thresholds that an experiment finds itself, from its own distances and held-out images."""

    bootstrap: Annotated[int, Field(ge=10, le=100_000)] = 200
    """Resamples behind the interval of a threshold."""
    seed: Seed = 0


class FixedThresholds(ThresholdsBase):
    """Thresholds given by hand, in the metric's units."""

    method: Literal["fixed"]
    delta_m: Annotated[float, Field(gt=0)]
    """Memorized at or below this distance to the training set."""
    delta_s: Annotated[float, Field(gt=0)]
    """Spurious at or below this distance to another sample."""


class BorrowedThresholds(ThresholdsBase):
    """Thresholds that another experiment found, frozen: to compare |S'| or models at the same ones."""

    method: Literal["experiment"]
    experiment: str
    """Its name; the metric must be the same. Thresholds that are one a K are taken at the same K."""


class HeldoutThresholds(EstimatedThresholds):
    """Closer than held-out real images come: an upper bound on duplication."""

    method: Literal["heldout"]
    quantile: Annotated[float, Field(gt=0, lt=0.5)] = 0.005
    """q: share of held-out images below the threshold."""
    pooled: bool = False
    """One threshold for the whole sweep, each K weighted equally, instead of one a K."""


class ValleyThresholds(EstimatedThresholds):
    """The valley between the outermost modes of the density of log sqrt(d^2 + d0^2)."""

    method: Literal["valley"]
    softness: Annotated[float, Field(gt=0, le=1)] = 0.06
    """d0 as a share of the median nearest distance among held-out images."""
    bandwidth: Annotated[float, Field(gt=0, le=2)] = 0.12
    """Standard deviation of the Gaussian kernel, in units of log distance."""
    min_mode: Annotated[float, Field(gt=0, lt=0.5)] = 0.02
    """A mode counts if it rises above its surroundings by this share of the highest one."""
    pooled: bool = True
    """One threshold for the whole sweep, each K weighted equally, instead of one a K."""
    fallback_quantile: Annotated[float, Field(gt=0, lt=0.5)] = 0.005
    """q of 'heldout', which is used where there is one mode only or more real images than q lie below the valley."""


ThresholdsSpec = Annotated[
    FixedThresholds | BorrowedThresholds | HeldoutThresholds | ValleyThresholds, Field(discriminator="method")
]


class OtherMetricSpec(Spec):
    """The same samples sorted by another metric, to browse and to compare with."""

    metric: Metric
    thresholds: Annotated[FixedThresholds | HeldoutThresholds | ValleyThresholds, Field(discriminator="method")] = (
        ValleyThresholds(method="valley")
    )
    """Of this metric; found as those of the first one are."""


class PeersSpec(Spec):
    """The field's other measures of copying, to compare with (``phases.peers``)."""

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
