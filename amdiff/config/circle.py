"""The toy model: data on the unit circle under the VE process (section 4.1, appendix A)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from .base import Seed, Spec
from .denoisers import CircleDenoiserSpec
from .diffusion import ProcessSpec, SamplerSpec, TrainingSpec
from .sizes import Sizes
from .sweep import Sweep


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
    """Network evaluations a sample."""
    end: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    """eps, the time of the last evaluation, which goes on to 0."""
    count: Annotated[int, Field(ge=2)] = 1000
    """Samples a model."""
    seed: Seed = 0

    def samples_for(self, size: int) -> int:
        return self.count

    def resolved_for(self, levels: int) -> dict[str, Any]:
        return {key: value for key, value in self.resolved().items() if key != "count"}


class LikelihoodSpec(Spec):
    """The learned energy on a grid, by the probability-flow ODE (eq. 21-33)."""

    time: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """t at which the energy is shown."""
    end: Literal["training", "normal"] = "training"
    """Density at t = 1, where the flow ends: the exact one of the K training points, or N(0, sigma^2) as in the paper.

    The latter moves the ring to a radius of 0.78 in place of 0.91, also for the exact score.
    """
    extent: Annotated[float, Field(gt=0)] = 1.5
    """The grid covers [-extent, extent]^2."""
    points: Annotated[int, Field(ge=11, le=2001)] = 61
    """Points a side of the grid."""
    divergence: Literal["exact", "hutchinson"] = "exact"
    """Trace of the Jacobian, exact or by random probes."""
    probes: Annotated[int, Field(ge=1)] = 16
    """Probes of Hutchinson's estimator."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    """Relative and absolute tolerance of RK45."""
    min_depth: Annotated[float, Field(ge=0)] = 0.01
    """A minimum counts as a basin where one must climb by this to leave it, in the energy's units."""
    cluster_distance: Annotated[float, Field(gt=0)] = 0.3
    """Clusters of samples are joined up to this diameter (agglomerative clustering, complete linkage)."""
    seed: Seed = 0

    def resolved(self) -> dict[str, Any]:
        """As for all specifications; the exact divergence has no probes."""
        values = super().resolved()
        if self.divergence == "exact":
            del values["probes"], values["seed"]
        return values


class CircleSpec(Sweep):
    """A sweep over training sets on the circle; without the three-class split, since all points are near others."""

    kind: Literal["circle"]
    """Experiments on images leave it out, or write 'images'."""
    dataset: str
    """Name of a dataset of kind 'circle'."""
    sizes: Sizes = (2, 9, 1000)
    """K, the training-set sizes, in points."""
    subset_seed: Seed = 42
    """Seed of the one permutation (torch.randperm) whose prefixes are the training sets."""
    diffusion: VeSpec = VeSpec()
    denoiser: CircleDenoiserSpec
    training: TrainingSpec = TrainingSpec(batch_size=500, learning_rate=1e-4)
    sampling: CircleSamplingSpec = CircleSamplingSpec()
    likelihood: LikelihoodSpec = LikelihoodSpec()

    holds: ClassVar[str] = "points"

    @property
    def sections(self) -> tuple[str, ...]:
        return ("circle", "training")
