"""How thresholds are found: given, borrowed, from held-out images, or in the valley between two modes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from .base import Probability, Seed, Spec

LEAST_HELDOUT = 20
"""Held-out images without which no threshold is estimated."""


class ThresholdsBase(Spec):
    """What all ways to find thresholds share."""

    confidence: Probability = 0.95
    """Level of every interval, and of the test that the density of 'valley' has two modes."""
    sensitivity: tuple[Annotated[float, Field(gt=0)], ...] = (0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 2.0)
    """Factors by which both thresholds are varied in the sensitivity grid."""

    method: str
    estimated: ClassVar[bool] = False
    """Whether they follow from the experiment's own distances and held-out images."""

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
        """The experiment whose thresholds are taken, if any."""
        return None

    @property
    def pools(self) -> bool:
        """Whether one estimate is made from all K of a sweep together."""
        return self.estimated and self.shared


class EstimatedThresholds(ThresholdsBase):
    """Thresholds that an experiment finds itself, from its own distances and held-out images."""

    bootstrap: Annotated[int, Field(ge=10, le=100_000)] = 200
    """Resamples behind the interval of a threshold."""
    seed: Seed = 0

    estimated: ClassVar[bool] = True


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

    @property
    def lender(self) -> str | None:
        return self.experiment

    def resolved(self) -> dict[str, object]:
        """As for all specifications, without the name: what the experiment lends is read by the artifact."""
        return {key: value for key, value in super().resolved().items() if key != "experiment"}


class HeldoutThresholds(EstimatedThresholds):
    """Closer than held-out real images come: an upper bound on duplication."""

    method: Literal["heldout"]
    quantile: Annotated[float, Field(gt=0, lt=0.5)] = 0.005
    """q: share of held-out images below the threshold."""
    pooled: bool = False
    """One threshold for the whole sweep, each K weighted equally, instead of one a K."""

    @property
    def shared(self) -> bool:
        return self.pooled


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

    @property
    def shared(self) -> bool:
        return self.pooled


OwnThresholds = Annotated[FixedThresholds | HeldoutThresholds | ValleyThresholds, Field(discriminator="method")]
"""Thresholds that need no other experiment."""

ThresholdsSpec = Annotated[
    FixedThresholds | BorrowedThresholds | HeldoutThresholds | ValleyThresholds, Field(discriminator="method")
]
