"""The base of all experiments: a sweep over training-set sizes."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import model_validator

from .base import Seed, Spec
from .diffusion import ProcessSpec
from .networks import DenoiserBase
from .sampling import SamplerSpec
from .thresholds import ThresholdsBase
from .training import TrainingSpec


class Sweep(Spec):
    """A sweep over training-set sizes, with one dataset and one kind of model."""

    kind: str
    dataset: str
    sizes: Any
    subset_seed: Seed
    diffusion: ProcessSpec
    denoiser: DenoiserBase
    training: TrainingSpec
    sampling: SamplerSpec

    holds: ClassVar[str]
    """What its dataset holds: 'images' or 'points'."""

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections of its report, in order."""
        raise NotImplementedError

    @property
    def first_sizes(self) -> tuple[int, ...]:
        """The sizes that are trained first. They are all sizes, unless a sparse sweep has to find the others."""
        return self.sizes

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the datasets that it uses."""
        return (self.dataset,)

    @property
    def subset(self) -> dict[str, Any]:
        """Parameters that choose the training set of a given size."""
        return {"subset_seed": self.subset_seed}

    @property
    def trained(self) -> bool:
        """Whether its models are trained here."""
        return self.denoiser.trained

    @property
    def metrics(self) -> list[str]:
        """The metrics that it uses, without repetition."""
        return []

    @property
    def ways(self) -> tuple[ThresholdsBase, ...]:
        """How the thresholds of each metric are found. The analyses use the classes of the first metric."""
        return ()

    @property
    def lender(self) -> str | None:
        """The experiment whose thresholds it takes; None if it takes none."""
        return next((found for way in self.ways if (found := way.lender)), None)

    def with_sizes(self, sizes: tuple[int, ...]) -> Any:
        """The same experiment with these sizes."""
        return self.model_copy(update={"sizes": sizes})

    @model_validator(mode="after")
    def _trained_or_no_training(self) -> Any:
        given = self.training != type(self).model_fields["training"].default
        if given and self.denoiser.modelled and not self.trained:
            raise ValueError(f"training: the denoiser {self.denoiser.kind!r} is not trained; leave 'training' out")
        return self
