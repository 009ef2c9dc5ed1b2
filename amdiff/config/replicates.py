"""Replicates: the whole sweep again, with other trainings and other draws of the training sets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from .base import Spec

Count = Annotated[int, Field(ge=1, le=1000)]


class ReplicatesSpec(Spec):
    """How many times the sweep is made: R seeds on each of R' training sets. The first one is the sweep itself."""

    subsets: Count = 5
    """R', the number of draws of the training sets. Their seeds are subset_seed, subset_seed + 1, and so on."""
    seeds: Count = 1
    """R, the number of trainings on each. Each run has its own seeds of training and sampling."""

    @model_validator(mode="after")
    def _several(self) -> ReplicatesSpec:
        if self.runs < 2:
            raise ValueError("one seed on one subset is the sweep itself; give at least two runs, or leave it out")
        return self

    @property
    def runs(self) -> int:
        """Number of runs, the first included."""
        return self.subsets * self.seeds
