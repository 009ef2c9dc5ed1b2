"""The toy model: data on the unit circle under the VE process (section 4.1, appendix A)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Seed, Spec
from .denoisers import CircleDenoiserSpec
from .diffusion import ProcessSpec
from .sampling import SamplerSpec
from .sizes import Sizes
from .sweep import Sweep
from .training import TrainingSpec


class VeSpec(ProcessSpec):
    """The VE forward process ``dx = sigma dW``, t in [0, 1]."""

    process: ClassVar[str] = "ve"

    kind: Literal["ve"] = "ve"
    sigma: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Diffusion coefficient."""
    training_start: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    """eps, the smallest time in training."""


class CircleSamplingSpec(SamplerSpec):
    """Euler-Maruyama from t = 1 down to ``end``, without noise on the last step (eq. 20)."""

    steps: Annotated[int, Field(ge=1)] = 1000
    """Number of network evaluations per sample."""
    end: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    """eps, the time of the last evaluation. The last step goes from there to 0."""
    count: Annotated[int, Field(ge=2)] = 1000
    """Number of samples per model."""
    seed: Seed = 0

    def samples_for(self, size: int) -> int:
        return self.count

    def resolved_for(self, levels: int) -> dict[str, Any]:
        return {key: value for key, value in self.resolved().items() if key != "count"}


class LikelihoodSpec(Spec):
    """The learned energy on a grid, by the probability-flow ODE (eq. 21-33)."""

    time: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Time t at which the energy is shown."""
    end: Literal["training", "normal"] = "training"
    """Density at t = 1, where the flow ends.

    'training' is the exact density of the K training points. 'normal' is N(0, sigma^2), as in the paper; with it the
    ring has a radius of 0.78 instead of 0.91, even for the exact score.
    """
    extent: Annotated[float, Field(gt=0)] = 1.5
    """The grid covers [-extent, extent]^2."""
    points: Annotated[int, Field(ge=11, le=2001)] = 61
    """Number of points on each side of the grid."""
    divergence: Literal["exact", "hutchinson"] = "exact"
    """Trace of the Jacobian: 'exact' computes it, 'hutchinson' estimates it with random probes."""
    probes: Annotated[int, Field(ge=1)] = 16
    """Number of random probes of Hutchinson's estimator."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    """Relative and absolute tolerance of RK45."""
    min_depth: Annotated[float, Field(ge=0)] = 0.01
    """A minimum counts as a basin if the energy rises by at least this much on the lowest way out of it."""
    cluster_distance: Annotated[float, Field(gt=0)] = 0.3
    """Largest diameter of a cluster of samples (agglomerative clustering, complete linkage)."""
    seed: Seed = 0

    def resolved(self) -> dict[str, Any]:
        """The values that decide an artifact. The exact divergence has no probes."""
        values = super().resolved()
        if self.divergence == "exact":
            del values["probes"], values["seed"]
        return values


class CircleSpec(Sweep):
    """A sweep over training-set sizes on the circle.

    It has no split into three classes, because every point of the plane has near neighbours.
    """

    kind: Literal["circle"]
    """Always 'circle'. An experiment on images leaves the key out, or says 'images'."""
    dataset: str
    """Name of a dataset of kind 'circle'."""
    sizes: Sizes = (2, 9, 1000)
    """K, the training-set sizes, in points."""
    subset_seed: Seed = 42
    """Seed of the permutation (torch.randperm). Each training set is a prefix of it."""
    diffusion: VeSpec = VeSpec()
    denoiser: CircleDenoiserSpec
    training: TrainingSpec = TrainingSpec(batch_size=500, learning_rate=1e-4)
    sampling: CircleSamplingSpec = CircleSamplingSpec()
    likelihood: LikelihoodSpec = LikelihoodSpec()

    holds: ClassVar[str] = "points"

    @model_validator(mode="after")
    def _no_snapshots(self) -> CircleSpec:
        if self.training.snapshots:
            raise ValueError("training.snapshots: points on the circle are not sorted into phases; leave it out")
        return self

    @property
    def sections(self) -> tuple[str, ...]:
        return ("circle", "training")
