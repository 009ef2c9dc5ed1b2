"""Networks that are trained here: their settings, and the FLOPs of one forward pass.

The FLOPs follow from the settings alone, without torch. A multiplication with an addition counts as two, as in
``torch.utils.flop_counter``. Norms and activations are not counted.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Spec

Shape = tuple[int, ...]
"""Shape of an image, (C, H, W), or of a point, (d,)."""


class DenoiserBase(Spec):
    """Base of all denoisers, which predict the noise in images or points."""

    kind: str
    trained: ClassVar[bool] = False
    """Whether it is a network that is trained here."""
    elsewhere: ClassVar[bool] = False
    """Whether its samples come from a model that was trained elsewhere, perhaps on all images."""
    runs: ClassVar[bool] = True
    """Whether a network runs, so that a GPU helps. Closed forms run in float64 without one, and given samples have no
    model."""
    modelled: ClassVar[bool] = True
    """Whether there is a model. Given samples have none."""

    @property
    def of_whole_dataset(self) -> bool:
        """Whether it knows the whole dataset, for every K."""
        return False

    @property
    def words(self) -> str:
        """A description of it in words, for the first lines of a report."""
        raise NotImplementedError

    def flops(self, shape: Shape) -> float:
        """FLOPs of one forward pass on one input; 0 where no network runs."""
        raise NotImplementedError

    def misfit(self, shape: Shape) -> str | None:
        """Why it cannot denoise inputs of this shape; None if it can."""
        return None

    def remark(self, shape: Shape) -> str | None:
        """A warning where a setting is allowed, but rarely wise, for inputs of this shape. None if there is none."""
        return None


class Network(DenoiserBase):
    """A network that is trained here; ``amdiff.diffusion.denoisers.NETWORKS`` builds it."""

    trained: ClassVar[bool] = True


class MlpDenoiser(Network):
    """Residual MLP with a sinusoidal time embedding. Its width should be at least the number of values of an image."""

    kind: Literal["mlp"]
    width: Annotated[int, Field(ge=1, le=65_536)] = 96
    """Width of the residual stream, in units."""
    blocks: Annotated[int, Field(ge=1, le=256)] = 2
    """Number of residual blocks."""
    time_features: Annotated[int, Field(ge=4, le=4096, multiple_of=2)] = 128
    """Width of the sinusoidal time embedding."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout rate."""

    @property
    def words(self) -> str:
        return f"residual MLP, width {self.width}, {self.blocks} blocks"

    def flops(self, shape: Shape) -> float:
        blocks = self.blocks * (2 * self.width**2 + self.time_features * self.width)
        return 2.0 * (2 * self.time_features**2 + 2 * math.prod(shape) * self.width + blocks)

    def remark(self, shape: Shape) -> str | None:
        dimensions = math.prod(shape)
        if self.width >= dimensions:
            return None
        return (
            f"an MLP narrower than its images cannot predict their noise; its width is {self.width}, the images have "
            f"{dimensions} values"
        )


class UnetDenoiser(Network):
    """DDPM's U-Net (Ho et al. 2020), built with diffusers."""

    kind: Literal["unet"]
    width: Annotated[int, Field(ge=4, le=4096, multiple_of=4)] = 128
    """Channels at the highest resolution."""
    multipliers: tuple[Annotated[int, Field(ge=1, le=64)], ...] = (1, 2, 2, 2)
    """Channel multiplier of each resolution, from the highest."""
    blocks: Annotated[int, Field(ge=1, le=16)] = 2
    """Number of residual blocks at each resolution."""
    attention_at: tuple[Annotated[int, Field(ge=1)], ...] = (16,)
    """Resolutions, in pixels, that have self-attention. The middle block always has it."""
    norm_groups: Annotated[int, Field(ge=1)] = 32
    """Number of groups of the group normalisation. It must divide the number of channels at every resolution."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Dropout rate."""

    @model_validator(mode="after")
    def _groups_divide(self) -> UnetDenoiser:
        if not self.multipliers:
            raise ValueError("multipliers must name at least one resolution")
        bad = [m for m in self.multipliers if (self.width * m) % self.norm_groups]
        if bad:
            raise ValueError(f"norm_groups {self.norm_groups} must divide width x multiplier ({self.width} x {bad[0]})")
        return self

    @property
    def words(self) -> str:
        return f"U-Net, {self.width} channels x {', '.join(map(str, self.multipliers))}"

    def misfit(self, shape: Shape) -> str | None:
        if shape[1] != shape[2]:
            return f"a U-Net needs square images, got {shape[1]}x{shape[2]}; use 'crop: square'"
        halvings = len(self.multipliers) - 1
        if shape[1] % 2**halvings:
            return (
                f"{len(self.multipliers)} resolutions halve the side {halvings} times, so it must be a multiple of "
                f"{2**halvings}, got {shape[1]}; use fewer multipliers or another 'resize'"
            )
        return None

    def flops(self, shape: Shape) -> float:
        image, side = shape[0], shape[1]
        widths = [self.width * m for m in self.multipliers]
        embedded = 4 * widths[0]
        total = float(widths[0] * embedded + embedded**2)  # of the time

        def convolution(into: int, out: int, side: int, kernel: int = 3) -> float:
            return float(kernel**2 * into * out * side**2)

        def residual(into: int, out: int, side: int) -> float:
            shortcut = convolution(into, out, side, 1) if into != out else 0.0
            return convolution(into, out, side) + convolution(out, out, side) + shortcut + embedded * out

        def attention(width: int, side: int) -> float:
            return float(4 * width**2 * side**2 + 2 * width * side**4)

        total += convolution(image, widths[0], side) + convolution(widths[0], image, side)
        kept, here = [widths[0]], widths[0]
        for level, width in enumerate(widths):
            for _ in range(self.blocks):
                total += residual(here, width, side)
                total += attention(width, side) if side in self.attention_at else 0.0
                here = width
                kept.append(here)
            if level < len(widths) - 1:
                side //= 2
                total += convolution(here, here, side)
                kept.append(here)
        total += 2 * residual(here, here, side) + attention(here, side)
        for level, width in reversed(list(enumerate(widths))):
            for _ in range(self.blocks + 1):
                total += residual(here + kept.pop(), width, side)
                total += attention(width, side) if side in self.attention_at else 0.0
                here = width
            if level:
                side *= 2
                total += convolution(here, here, side)
        return 2.0 * total


class FourierMlpDenoiser(Network):
    """Residual MLP with Gaussian Fourier features of t (appendix A.2)."""

    kind: Literal["fourier-mlp"]
    width: Annotated[int, Field(ge=1, le=65_536)] = 256
    """Width of the residual stream, in units."""
    blocks: Annotated[int, Field(ge=1, le=256)] = 8
    """Number of residual blocks in the encoder and the decoder together."""
    time_features: Annotated[int, Field(ge=2, le=4096, multiple_of=2)] = 128
    """Number of sines and cosines of t."""
    time_scale: Annotated[float, Field(gt=0)] = 16.0
    """Standard deviation of their random frequencies, in periods per unit of t."""

    @property
    def words(self) -> str:
        return f"MLP with Fourier features of time, width {self.width}, {self.blocks} blocks"

    def flops(self, shape: Shape) -> float:
        d = math.prod(shape)
        return 2.0 * ((d + self.time_features) * self.width + 2 * self.blocks * self.width**2 + self.width * d)


ImageNetwork = MlpDenoiser | UnetDenoiser
"""Networks for images."""
PointNetwork = FourierMlpDenoiser
"""Networks for points."""
