"""Denoisers: networks that are trained here, models of others, closed forms, and samples without a model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from .base import Local, Spec


class MlpDenoiser(Spec):
    """Residual MLP with a sinusoidal time embedding; must be wider than an image has dimensions."""

    kind: Literal["mlp"]
    width: Annotated[int, Field(ge=1, le=65_536)] = 96
    """Width of the residual stream, in units."""
    blocks: Annotated[int, Field(ge=1, le=256)] = 2
    """Number of residual blocks."""
    time_features: Annotated[int, Field(ge=4, le=4096, multiple_of=2)] = 128
    """Width of the sinusoidal time embedding."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class UnetDenoiser(Spec):
    """DDPM's U-Net (Ho et al. 2020) through diffusers."""

    kind: Literal["unet"]
    width: Annotated[int, Field(ge=4, le=4096, multiple_of=4)] = 128
    """Channels at the highest resolution."""
    multipliers: tuple[Annotated[int, Field(ge=1, le=64)], ...] = (1, 2, 2, 2)
    """Channel multiplier of each resolution, from the highest."""
    blocks: Annotated[int, Field(ge=1, le=16)] = 2
    """Residual blocks a level."""
    attention_at: tuple[Annotated[int, Field(ge=1)], ...] = (16,)
    """Resolutions, in pixels, with self-attention (the middle block always has it)."""
    norm_groups: Annotated[int, Field(ge=1)] = 32
    """Groups of the group normalisation; must divide every level's channels."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1

    @model_validator(mode="after")
    def _groups_divide(self) -> UnetDenoiser:
        if not self.multipliers:
            raise ValueError("multipliers must name at least one resolution")
        bad = [m for m in self.multipliers if (self.width * m) % self.norm_groups]
        if bad:
            raise ValueError(f"norm_groups {self.norm_groups} must divide width x multiplier ({self.width} x {bad[0]})")
        return self

    def misfit(self, shape: tuple[int, ...]) -> str | None:
        """Why images of shape (C, H, W) do not fit the network, or None."""
        if shape[1] != shape[2]:
            return f"a U-Net needs square images, got {shape[1]}x{shape[2]}; use 'crop: square'"
        halvings = len(self.multipliers) - 1
        if shape[1] % 2**halvings:
            return (
                f"{len(self.multipliers)} resolutions halve the side {halvings} times, so it must be a multiple of "
                f"{2**halvings}, got {shape[1]}; use fewer multipliers or another 'resize'"
            )
        return None


class ExactDenoiser(Spec):
    """No training: the closed-form score of a finite set of memories, or of a Gaussian."""

    kind: Literal["exact"]
    memories: Literal["train", "heldout", "gaussian"] = "train"
    """The K training images; K held-out images; or a Gaussian fitted to the whole dataset."""


class PretrainedDenoiser(Spec):
    """A U-Net that somebody trained; nothing is trained here.

    A folder of a diffusers pipeline or of its ``UNet2DModel``, or a checkpoint file in the layout of DDPM's ports.
    '{K}' in a path stands for the training-set size.
    """

    kind: Literal["pretrained"]
    path: Annotated[str | None, Local] = None
    """Where it is on disk, as 'models/{K}' or 'checkpoints/{K}.pt'; or give 'hub'."""
    hub: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    """Repository of the Hugging Face hub, as 'google/ddpm-cifar10-32'."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    """Commit of the repository, 40 hexadecimal digits: names move, commits do not."""
    file: str | None = None
    """File or folder inside the repository, as '{K}.pt'; null for its root."""
    weights: Literal["ema", "model"] = "ema"
    """Which weights of a folder or a checkpoint that has both: the moving average, or the last."""
    prediction: Literal["epsilon", "v_prediction", "sample"] | None = None
    """What the network predicts: the noise, v or the image; needed where no scheduler beside it says so."""
    norm_groups: Annotated[int, Field(ge=1)] = 32
    """Groups of the normalisation of a checkpoint, whose tensors do not tell it."""

    @field_validator("path", "file")
    @classmethod
    def _only_k(cls, value: str | None) -> str | None:
        if value is not None and set("{}") & set(value.replace("{K}", "")):
            raise ValueError(f"got {value!r}; braces stand for the training-set size only, as '{{K}}'")
        return value

    @model_validator(mode="after")
    def _hub_is_whole(self) -> PretrainedDenoiser:
        if self.hub is None and (self.revision is not None or self.file is not None):
            raise ValueError("'revision' and 'file' belong to 'hub'; on disk give all by 'path'")
        if self.hub is not None and (self.revision is None or self.path is not None):
            raise ValueError("'hub' needs 'revision', a commit of 40 hexadecimal digits, and no 'path'")
        return self

    def identity(self) -> dict[str, Any]:
        """As for all specifications; a prediction that is not stated is told by the model's own files."""
        values = super().identity()
        if self.prediction is None:
            del values["prediction"]
        return values

    @property
    def one_a_size(self) -> bool:
        """Whether each training-set size has a model of its own."""
        return "{K}" in (self.path or self.file or "")


class GivenSamples(Spec):
    """No model: a synthetic set of one's own, to be audited."""

    kind: Literal["given"]
    samples: str
    """Name of the dataset that holds it; all its images, also those that are byte-equal."""


DenoiserSpec = Annotated[
    MlpDenoiser | UnetDenoiser | ExactDenoiser | PretrainedDenoiser | GivenSamples, Field(discriminator="kind")
]
