"""Training-set sizes of a sweep: a list, or the paper's grid around the transition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from .base import Spec

Size = Annotated[int, Field(ge=1)]


def _distinct(value: tuple[int, ...]) -> tuple[int, ...]:
    if not value:
        raise ValueError("sizes must name at least one K")
    if len(set(value)) != len(value):
        raise ValueError(f"sizes must be distinct, got {list(value)}")
    return tuple(sorted(value))


Sizes = Annotated[tuple[Size, ...], AfterValidator(_distinct)]
"""K of each model: at least one, distinct, in increasing order."""


class GridSpec(Spec):
    """Sizes that are dense where memorization falls: from A, where the fall starts, to B, where it ends.

    If A or B is not given, a sparse sweep over 2, 4, 8, ..., N finds it first (``phases.transition``).
    """

    kind: Literal["grid"]
    largest: Annotated[int, Field(ge=8)]
    """N, the largest K. In the paper it is the number of all training images."""
    fall: Annotated[int, Field(ge=2)] | None = None
    """A, the K at which the share of memorized samples starts to fall; null to find it by a sparse sweep."""
    plateau: Annotated[int, Field(ge=3)] | None = None
    """B, the K at which this share has reached its plateau; null to find it by a sparse sweep."""
    dense: Annotated[int, Field(ge=2)] = 30
    """Number of sizes from A to B, both included."""
    sparse: Annotated[int, Field(ge=2)] = 5
    """Number of sizes from 0 to A, and also from B to N, the ends included."""
    fallen: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Share of the fall that may lie outside A and B: up to A at most this share has happened, and from B on at most
    this share is left."""

    @model_validator(mode="after")
    def _in_order(self) -> GridSpec:
        a, b = self.fall or 2, self.plateau or self.largest
        if not 2 <= a < b <= self.largest:
            raise ValueError(f"needs fall < plateau <= largest, got {a}, {b} and {self.largest}")
        return self

    @property
    def doubling(self) -> tuple[int, ...]:
        """The sparse sweep: powers of 2 below N, and N."""
        return (*(2**i for i in range(1, (self.largest - 1).bit_length()) if 2**i < self.largest), self.largest)

    def around(self, fall: int, plateau: int) -> tuple[int, ...]:
        """The sizes for given A and B (appendix B.1). With the default numbers there are 38."""
        steps = _steps(0, fall, self.sparse)[1:-1], _steps(fall, plateau, self.dense)
        return tuple(sorted({2, *steps[0], *steps[1], *_steps(plateau, self.largest, self.sparse)[1:]} - {0, 1}))

    @property
    def known(self) -> tuple[int, ...] | None:
        """The sizes if both A and B are given, otherwise None."""
        return None if self.fall is None or self.plateau is None else self.around(self.fall, self.plateau)


def _steps(low: int, high: int, count: int) -> list[int]:
    """Evenly spaced numbers from ``low`` to ``high``, truncated to integers. The arithmetic is exact."""
    return [low + (high - low) * i // (count - 1) for i in range(count)]


def _form(value: Any) -> str:
    return "grid" if isinstance(value, (Mapping, GridSpec)) else "list"


AnySizes = Annotated[Annotated[Sizes, Tag("list")] | Annotated[GridSpec, Tag("grid")], Discriminator(_form)]
"""Sizes, or a grid from which they follow."""
