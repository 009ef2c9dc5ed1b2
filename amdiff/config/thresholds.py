"""How thresholds are found: given, borrowed, from held-out images, or in the valley between two modes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from .base import Probability, Seed, Shown, Spec

LEAST_HELDOUT = 20
"""Smallest number of held-out images from which thresholds are estimated."""


class ThresholdsBase(Spec):
    """Settings that all ways to find thresholds share."""

    confidence: Probability = 0.95
    """Confidence level of every interval, and of the test whether the density of 'valley' has two modes."""
    sensitivity: tuple[Annotated[float, Field(gt=0)], ...] = (0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 2.0)
    """Factors that multiply each of the two thresholds in the sensitivity grid."""

    method: str
    estimated: ClassVar[bool] = False
    """Whether they are estimated from the experiment's own distances and held-out images."""

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
        return True

    @property
    def lender(self) -> str | None:
        """The experiment whose thresholds are taken; None if it finds its own."""
        return None

    @property
    def pools(self) -> bool:
        """Whether one estimate is made from all K of a sweep together."""
        return self.estimated and self.shared


class EstimatedThresholds(ThresholdsBase):
    """Thresholds that are estimated from the experiment's own distances and held-out images."""

    bootstrap: Annotated[int, Field(ge=10, le=100_000)] = 200
    """Number of bootstrap resamples for the interval of a threshold."""
    seed: Seed = 0

    estimated: ClassVar[bool] = True


class FixedThresholds(ThresholdsBase):
    """Thresholds given by hand, in the metric's units."""

    method: Literal["fixed"]
    delta_m: Annotated[float, Field(gt=0)]
    """A sample is memorized at or below this distance to the training set."""
    delta_s: Annotated[float, Field(gt=0)]
    """A sample that is not memorized is spurious at or below this distance to another sample."""


class BorrowedThresholds(ThresholdsBase):
    """The thresholds of another experiment. With them, models or sizes |S'| are compared at the same thresholds."""

    method: Literal["experiment"]
    experiment: Annotated[str, Shown]
    """Name of the other experiment. Its metric must be the same. If it has thresholds for each K, they are taken at the
    same K. It enters the address of no artifact, since an artifact reads the thresholds themselves."""

    @property
    def lender(self) -> str | None:
        return self.experiment


class HeldoutThresholds(EstimatedThresholds):
    """Quantiles of the distances of held-out real images.

    Samples below such a threshold are closer than real images come. Their share is an upper bound on duplication.
    """

    method: Literal["heldout"]
    quantile: Annotated[float, Field(gt=0, lt=0.5)] = 0.005
    """q, the share of held-out images below the threshold."""
    pooled: bool = False
    """Use one threshold for the whole sweep, with each K weighted equally. With false, each K has its own."""

    @property
    def shared(self) -> bool:
        return self.pooled


class ValleyThresholds(EstimatedThresholds):
    """Thresholds at the valley between the outermost modes of the density of log sqrt(d^2 + d0^2)."""

    method: Literal["valley"]
    softness: Annotated[float, Field(gt=0, le=1)] = 0.06
    """d0 as a share of the median nearest distance among held-out images."""
    bandwidth: Annotated[float, Field(gt=0, le=2)] = 0.12
    """Standard deviation of the Gaussian kernel, in units of log distance."""
    min_mode: Annotated[float, Field(gt=0, lt=0.5)] = 0.02
    """A mode counts if it rises above its surroundings by at least this share of the highest mode."""
    pooled: bool = True
    """Use one threshold for the whole sweep, with each K weighted equally. With false, each K has its own."""
    fallback_quantile: Annotated[float, Field(gt=0, lt=0.5)] = 0.005
    """q of the method 'heldout'. This method is used if there is only one mode, or if a share of real images that is
    surely larger than q lies below the valley."""

    @property
    def shared(self) -> bool:
        return self.pooled


OwnThresholds = Annotated[FixedThresholds | HeldoutThresholds | ValleyThresholds, Field(discriminator="method")]
"""Thresholds that need no other experiment."""

ThresholdsSpec = Annotated[
    FixedThresholds | BorrowedThresholds | HeldoutThresholds | ValleyThresholds, Field(discriminator="method")
]
