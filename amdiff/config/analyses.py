"""Analyses of the energy landscape: basins, curvature, relative energy (sections 4.2-4.3, appendices C-E).

An analysis is a specification here, a key of ``Analyses``, and a stage of the same name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from amdiff.catalogue.metrics import FIRST, METRICS, MetricName

from .base import Probability, Seed, Shown, Spec
from .neighbors import NeighborsSpec

Share = Annotated[float, Field(ge=0, lt=1)]
Time = Annotated[int, Field(ge=0)]


class AnalysisSpec(Spec):
    """At which samples and training points a model is looked at."""

    count: Annotated[int, Field(ge=2)] = 512
    """Samples of each class, at most: the clearest cases first."""
    train_count: Annotated[int, Field(ge=2)] = 512
    """Training points, at most."""
    min_share: Share = 0.01
    """A class with less than this share of the synthetic set is left out."""

    @property
    def compares_by(self) -> str | None:
        """The metric by which it compares images, if it does."""
        return None

    @property
    def levels(self) -> dict[str, tuple[int, ...]]:
        """The noise levels that it names, by key."""
        return {}

    def problem(self, neighbors: NeighborsSpec) -> str | None:
        """Why it does not fit what the samples are sorted by, or None."""
        return None

    def shortage(self, count: int) -> str | None:
        """Why ``count`` training images are too few for it, or None."""
        return None


class BasinSpec(AnalysisSpec):
    """Basins of attraction by critical times (algorithm 1)."""

    metric: MetricName = FIRST
    """D, by which what comes back is compared, as for the neighbours; the paper's is lpips-vgg."""
    delta: Annotated[float, Field(gt=0)] | Literal["delta_m"] = "delta_m"
    """Recovered at or below this distance: a number, or the threshold of memorized samples, if in like units."""
    scan: tuple[Annotated[float, Field(gt=0)], ...] = (0.5, 0.7, 1.0, 1.4, 2.0)
    """Factors by which delta is varied to see what hangs on it; the search goes on up to the largest."""
    copies: Annotated[int, Field(ge=1, le=1000)] = 10
    """N, noisy copies of a target, each with one noise for all times."""
    steps: Annotated[int, Field(ge=1)] = 20
    """n, DDIM steps from a time to 0."""
    first: Time = 1
    """The first time, an index of a noise level."""
    stride: Annotated[int, Field(ge=1)] = 25
    """Between the times that are tried."""
    probability: Annotated[float, Field(gt=0, le=1)] = 0.9
    """P: the search of a target stops where a smaller share of its copies is recovered."""
    search: Literal["scan", "bisection"] = "scan"
    """scan: every time until the stop, exact; bisection: fewer times, taking recovery to be monotone in t."""
    check: Annotated[int, Field(ge=0)] = 32
    """Targets of each class that a bisection also scans, to report how far the two disagree."""
    clip: bool = True
    """Clip the predicted image to [-1, 1] at each step."""
    seed: Seed = 0

    @field_validator("delta", mode="before")
    @classmethod
    def _distance(cls, value: Any) -> Any:
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")
        if value != "delta_m" and not number:
            raise ValueError(
                f"got {value!r}; delta is a positive distance, or 'delta_m' for the threshold of the phases"
            )
        return value

    @model_validator(mode="after")
    def _scan_holds_one(self) -> BasinSpec:
        if 1.0 not in self.scan or list(self.scan) != sorted(set(self.scan)):
            raise ValueError(
                f"scan is an increasing list of distinct factors with 1.0 among them, got {list(self.scan)}"
            )
        return self

    @property
    def compares_by(self) -> str | None:
        return self.metric

    @property
    def levels(self) -> dict[str, tuple[int, ...]]:
        return {"first": (self.first,)}

    def problem(self, neighbors: NeighborsSpec) -> str | None:
        if self.delta != "delta_m" or METRICS[self.metric].units == neighbors.by.units:
            return None
        return (
            f"delta: 'delta_m' is a distance by neighbors.metric, {neighbors.metric!r}, but basin.metric is "
            f"{self.metric!r}, whose units differ; give a number, as 0.1 for LPIPS"
        )

    def resolved(self) -> dict[str, Any]:
        """As for all specifications, with the distance at which a search stops in place of delta and its factors.

        Distances are stored, so of the factors only the largest decides what is computed; a bisection finds critical
        times at delta alone, and a scan needs no check.
        """
        values = super().resolved()
        del values["scan"], values["delta"]
        largest = self.scan[-1] if self.search == "scan" else 1.0
        values["stop"] = {"delta_m": largest} if self.delta == "delta_m" else largest * float(self.delta)
        if self.search == "scan":
            del values["check"]
        return values


class SpectrumSpec(Spec):
    """How the singular values of the score's Jacobian are found at an image (algorithms 2 and 3)."""

    times: tuple[Time, ...] = (2, 15)
    """Indices of small noise levels."""
    method: Literal["central", "one-sided"] = "central"
    """Central differences (algorithm 2) or scores on one side (algorithm 3)."""
    directions: Literal["orthonormal", "gaussian"] = "orthonormal"
    """The d orthonormal directions of the pixels, or random ones."""
    rows_per_dimension: Annotated[int, Field(ge=1, le=1000)] = 4
    """Gaussian directions for each dimension; orthonormal ones are one a dimension."""
    threshold: Annotated[Probability, Shown] = 0.5
    """A direction belongs to the manifold where its value, times sigma_t^2, is below this share of full contraction."""
    skip: Annotated[int, Field(ge=0), Shown] = 5
    """Largest values that are left out of the figures."""
    seed: Seed = 0

    @model_validator(mode="after")
    def _distinct_times(self) -> SpectrumSpec:
        if not self.times or list(self.times) != sorted(set(self.times)):
            raise ValueError(f"times is an increasing list of distinct indices, got {list(self.times)}")
        return self

    def resolved(self) -> dict[str, Any]:
        """As for all specifications; directions that are no random ones have neither a number nor a seed."""
        values = super().resolved()
        if self.directions == "orthonormal":
            del values["rows_per_dimension"], values["seed"]
        return values


class CurvatureSpec(SpectrumSpec, AnalysisSpec):
    """Curvature of the energy at samples and training points."""

    train_count: Annotated[int, Field(ge=2)] = 1024
    """Training points, at most."""

    @property
    def levels(self) -> dict[str, tuple[int, ...]]:
        return {"times": self.times}


class EnergySpec(AnalysisSpec):
    """Relative energy along paths to reference images (section 4.3)."""

    train_count: Annotated[int, Field(ge=2)] = 2048
    """Training points, at most."""
    time: Time = 0
    """Index of the noise level."""
    points: Annotated[int, Field(ge=2, le=100_000)] = 20
    """Points of a path, both ends included (trapezoid rule: short by 0.23 % for a quadratic potential at 20)."""
    references: Annotated[int, Field(ge=1, le=1000)] = 5
    """Reference images: the first of the training sets' permutation, hence in every set that is large enough."""

    @property
    def levels(self) -> dict[str, tuple[int, ...]]:
        return {"time": (self.time,)}

    def shortage(self, count: int) -> str | None:
        if self.references <= count:
            return None
        return f"references: {self.references} were asked for, but there are {count} training images"


class Analyses(Spec):
    """The analyses of an experiment on images, by their keys; each is a stage of the same name."""

    basin: BasinSpec | None = BasinSpec()
    """Basins of attraction; null for none."""
    curvature: CurvatureSpec | None = CurvatureSpec()
    """Curvature of the energy; null for none."""
    energy: EnergySpec | None = EnergySpec()
    """Relative energy; null for none."""


ANALYSES: dict[str, type[AnalysisSpec]] = {
    name: get_args(field.annotation)[0] for name, field in Analyses.model_fields.items()
}
"""Specification of each analysis, by its key."""
