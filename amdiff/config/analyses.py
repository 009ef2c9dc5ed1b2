"""Analyses of the energy landscape: basins, curvature, relative energy (sections 4.2-4.3, appendices C-E).

Each analysis has a specification here, a key in ``Analyses``, and a stage of the same name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from amdiff.catalogue.metrics import FIRST, METRICS, MetricName

from .base import Probability, Seed, Shown, Spec
from .neighbors import NeighborsSpec
from .precision import Evaluated

Share = Annotated[float, Field(ge=0, lt=1)]
Time = Annotated[int, Field(ge=0)]


class AnalysisSpec(Spec):
    """The samples and training points at which an analysis examines a model."""

    count: Annotated[int, Field(ge=2)] = 512
    """The analysis takes at most this many samples of each class, the clearest cases first."""
    train_count: Annotated[int, Field(ge=2)] = 512
    """The analysis takes at most this many training points."""
    min_share: Share = 0.01
    """The analysis leaves out a class that has less than this share of the synthetic set."""

    @property
    def compares_by(self) -> str | None:
        """The metric by which it compares images; None if it compares none."""
        return None

    @property
    def levels(self) -> dict[str, tuple[int, ...]]:
        """The noise levels that its settings name, by the key of the setting."""
        return {}

    def problem(self, neighbors: NeighborsSpec) -> str | None:
        """Why it cannot be combined with the metric of ``neighbors``; None if it can."""
        return None

    def shortage(self, count: int) -> str | None:
        """Why ``count`` training images are too few for it; None if they are enough."""
        return None


class BasinSpec(Evaluated, AnalysisSpec):
    """Basins of attraction, measured by critical times (algorithm 1)."""

    metric: MetricName = FIRST
    """Metric of the distance D between a target and what comes back from a noisy copy. The paper uses lpips-vgg."""
    delta: Annotated[float, Field(gt=0)] | Literal["delta_m"] = "delta_m"
    """A copy counts as recovered at or below this distance to its target.

    Give a number, or 'delta_m' for the threshold of memorized samples. With 'delta_m', the metric here and that of
    ``neighbors`` must have the same units.
    """
    scan: tuple[Annotated[float, Field(gt=0)], ...] = (0.5, 0.7, 1.0, 1.4, 2.0)
    """Factors that multiply delta, to show how the results depend on it. A search goes on up to delta times the largest
    one."""
    copies: Annotated[int, Field(ge=1, le=1000)] = 10
    """N, the number of noisy copies of a target. Each copy uses the same noise at all times."""
    steps: Annotated[int, Field(ge=1)] = 20
    """n, the number of DDIM steps from a time back to 0."""
    first: Time = 0
    """The smallest time that may be tried, as an index of a noise level."""
    stride: Annotated[int, Field(ge=1)] = 25
    """Largest step between the times that are tried, in noise levels."""
    ratio: Annotated[float, Field(gt=1)] | None = 1.25
    """Ratio of the noise-to-signal of neighbouring times where these are less than ``stride`` apart. The search then
    begins where the noise is a third of delta, or at ``first`` if that is larger. null: the times are
    first, first + stride, ..., as in the paper with first = 1."""
    probability: Annotated[float, Field(gt=0, le=1)] = 0.9
    """P: the search for a target stops at the first time at which a smaller share of its copies is recovered."""
    search: Literal["scan", "bisection"] = "scan"
    """'scan' tries every time until the search stops, and is exact. 'bisection' assumes that recovery is monotone in t,
    and tries fewer times."""
    check: Annotated[int, Field(ge=0)] = 32
    """A bisection also scans this many targets of each class, to report how far the two methods disagree."""
    clip: bool = True
    """Clip the predicted image to [-1, 1] at each step."""
    seed: Seed = 0

    @field_validator("delta", mode="before")
    @classmethod
    def _distance(cls, value: Any) -> Any:
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")
        if value != "delta_m" and not number:
            raise ValueError(
                f"got {value!r}; delta is a positive distance, or 'delta_m' for the threshold of memorized samples"
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
            f"{self.metric!r}, which has other units; give a number, for example 0.1 for LPIPS"
        )

    def resolved(self) -> dict[str, Any]:
        """The values that decide an artifact. The distance at which a search stops replaces delta and its factors.

        Distances are stored, so only the largest factor decides what is computed. A bisection finds critical times at
        delta alone. A scan needs no check.
        """
        values = super().resolved()
        del values["scan"], values["delta"]
        largest = self.scan[-1] if self.search == "scan" else 1.0
        values["stop"] = {"delta_m": largest} if self.delta == "delta_m" else largest * float(self.delta)
        if self.ratio is not None and METRICS[self.metric].units == METRICS[FIRST].units:
            values["finest"] = 1 / largest / 3  # a third of delta, as a share of the distance at which a search stops
        if self.search == "scan":
            del values["check"]
        return values


class SpectrumSpec(Spec):
    """How to compute the singular values of the score's Jacobian at an image (algorithms 2 and 3)."""

    times: tuple[Time, ...] = (2, 15)
    """Indices of the noise levels, which should be small."""
    method: Literal["central", "one-sided"] = "central"
    """'central' takes central differences (algorithm 2), 'one-sided' takes scores on one side (algorithm 3)."""
    directions: Literal["orthonormal", "gaussian"] = "orthonormal"
    """'orthonormal' takes the d directions of the pixels, 'gaussian' takes random directions."""
    rows_per_dimension: Annotated[int, Field(ge=1, le=1000)] = 4
    """Number of Gaussian directions per dimension. Of orthonormal directions there is always one per dimension."""
    threshold: Annotated[Probability, Shown] = 0.5
    """A direction belongs to the manifold if its singular value times sigma_t^2 is below this number, where 1 is full
    contraction."""
    skip: Annotated[int, Field(ge=0), Shown] = 5
    """Figures leave out this many of the largest values."""
    seed: Seed = 0

    def directions_at(self, dimension: int) -> int:
        """Number of directions at an image of ``dimension`` values."""
        return dimension * (self.rows_per_dimension if self.directions == "gaussian" else 1)

    @model_validator(mode="after")
    def _distinct_times(self) -> SpectrumSpec:
        if not self.times or list(self.times) != sorted(set(self.times)):
            raise ValueError(f"times is an increasing list of distinct indices, got {list(self.times)}")
        return self

    def resolved(self) -> dict[str, Any]:
        """The values that decide an artifact. Orthonormal directions have neither a number per dimension nor a seed."""
        values = super().resolved()
        if self.directions == "orthonormal":
            del values["rows_per_dimension"], values["seed"]
        return values


class CurvatureSpec(SpectrumSpec, AnalysisSpec):
    """Curvature of the energy at samples and training points.

    It is computed in float32, since it takes differences of scores at near points, which bfloat16 rounds away.
    """

    train_count: Annotated[int, Field(ge=2)] = 1024
    """The analysis takes at most this many training points."""

    @property
    def levels(self) -> dict[str, tuple[int, ...]]:
        return {"times": self.times}


class EnergySpec(Evaluated, AnalysisSpec):
    """Relative energy along paths to reference images (section 4.3)."""

    train_count: Annotated[int, Field(ge=2)] = 2048
    """The analysis takes at most this many training points."""
    time: Time = 0
    """The noise level, as an index. Figures and sentences are about it."""
    further_times: tuple[Time, ...] = (15,)
    """Further noise levels, for the table."""
    points: Annotated[int, Field(ge=3, le=100_000)] = 51
    """Number of points on a path, both ends included. The paper's code takes 20.

    Where a field is sharp, as at small noise, few points make two paths disagree that agree in truth.
    """
    references: Annotated[int, Field(ge=1, le=1000)] = 5
    """Number of reference images. They are the first ones of the permutation from which training sets are taken. So
    every training set that is large enough contains them."""
    probes: Annotated[int, Field(ge=1, le=1000)] = 8
    """Number of random directions in which the antisymmetric part of the score's Jacobian is measured."""
    seed: Seed = 0

    @property
    def levels(self) -> dict[str, tuple[int, ...]]:
        return {"time": (self.time,), **({"further_times": self.further_times} if self.further_times else {})}

    @property
    def times(self) -> tuple[int, ...]:
        """All noise levels, the main one first."""
        return (self.time, *(t for t in self.further_times if t != self.time))

    @model_validator(mode="after")
    def _distinct(self) -> EnergySpec:
        if len(set(self.times)) < len(self.times):
            raise ValueError(f"further_times: name each noise level once, got {list(self.further_times)}")
        return self

    def shortage(self, count: int) -> str | None:
        if self.references <= count:
            return None
        return f"references: {self.references} were asked for, but there are {count} training images"


class Analyses(Spec):
    """The analyses of an experiment on images. Each key is also the name of a stage."""

    basin: BasinSpec | None = BasinSpec()
    """Basins of attraction; null for none."""
    curvature: CurvatureSpec | None = CurvatureSpec()
    """Curvature of the energy; null for none."""
    energy: EnergySpec | None = EnergySpec()
    """Relative energy; null for none."""

    def idle(self) -> set[str]:
        """An analysis that is off by default, and is off here, has no effect. So a new analysis changes no address."""
        off = {name for name in ANALYSES if getattr(self, name) is None}
        return super().idle() | {name for name in off if type(self).model_fields[name].default is None}


ANALYSES: dict[str, type[AnalysisSpec]] = {
    name: get_args(field.annotation)[0] for name, field in Analyses.model_fields.items()
}
"""The specification of each analysis, by its key."""
