"""Training-set sizes of a sweep."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def _distinct(value: tuple[int, ...]) -> tuple[int, ...]:
    if not value:
        raise ValueError("sizes must name at least one K")
    if len(set(value)) != len(value):
        raise ValueError(f"sizes must be distinct, got {list(value)}")
    return tuple(sorted(value))


Sizes = Annotated[tuple[Annotated[int, Field(ge=1)], ...], AfterValidator(_distinct)]
"""K of each model: distinct, at least one, in increasing order."""
