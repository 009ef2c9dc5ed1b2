"""Denoisers: networks that are trained here, models of others, closed forms, and samples without a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator

from .base import Local
from .networks import DenoiserBase, ImageNetwork, PointNetwork, Shape, UnetDenoiser


class ClosedForm(DenoiserBase):
    """No training and no network: an exact score."""

    runs: ClassVar[bool] = False

    def flops(self, shape: Shape) -> float:
        return 0.0


class ExactDenoiser(ClosedForm):
    """No training: the closed-form score of a finite set of memories, or of a Gaussian."""

    kind: Literal["exact"]
    memories: Literal["train", "heldout", "gaussian"] = "train"
    """The K training images; K held-out images; or a Gaussian fitted to the whole dataset."""

    @property
    def of_whole_dataset(self) -> bool:
        return self.memories == "gaussian"

    @property
    def words(self) -> str:
        what = {"train": "the training set", "heldout": "held-out images", "gaussian": "a Gaussian"}[self.memories]
        return f"none trained: the closed-form score of {what}"


class ExactCircleDenoiser(ClosedForm):
    """No training: the closed-form score of the K points."""

    kind: Literal["exact"]

    @property
    def words(self) -> str:
        return "none trained: the closed-form score of the training set"


class PretrainedDenoiser(DenoiserBase):
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

    elsewhere: ClassVar[bool] = True

    def idle(self) -> set[str]:
        """A prediction that is not stated is told by the model's own files."""
        return {"prediction"} if self.prediction is None else set()

    @property
    def words(self) -> str:
        return f"trained elsewhere: {self.path or self.hub}"

    def flops(self, shape: Shape) -> float:
        """Those of DDPM's own network, since the settings do not tell those of the model."""
        side = 2 ** max(3, math.ceil(math.log2(max(shape[1:])))) if len(shape) == 3 else 8
        return UnetDenoiser(kind="unet").flops((shape[0], side, side))

    @property
    def one_a_size(self) -> bool:
        """Whether each training-set size has a model of its own."""
        return "{K}" in (self.path or self.file or "")


class GivenSamples(DenoiserBase):
    """No model: a synthetic set of one's own, to be audited."""

    kind: Literal["given"]
    samples: str
    """Name of the dataset that holds it; all its images, also those that are byte-equal."""

    elsewhere: ClassVar[bool] = True
    runs: ClassVar[bool] = False
    modelled: ClassVar[bool] = False

    @property
    def words(self) -> str:
        return f"none here: the samples are those of {self.samples}"

    def flops(self, shape: Shape) -> float:
        return 0.0

    def resolved(self) -> dict[str, Any]:
        """Their kind alone: the samples themselves are read by the artifact."""
        return {"kind": self.kind}


DenoiserSpec = Annotated[ImageNetwork | ExactDenoiser | PretrainedDenoiser | GivenSamples, Field(discriminator="kind")]
"""Denoisers of images."""

CircleDenoiserSpec = Annotated[PointNetwork | ExactCircleDenoiser, Field(discriminator="kind")]
"""Denoisers of points on the circle."""

DENOISERS: dict[str, type[DenoiserBase]] = {
    get_args(spec.model_fields["kind"].annotation)[0]: spec
    for union in (CircleDenoiserSpec, DenoiserSpec)
    for spec in get_args(get_args(union)[0])
}
"""Every denoiser by its kind; closed forms of images and of points share one."""


def denoiser_of(params: Mapping[str, Any]) -> DenoiserBase:
    """The denoiser of an artifact that has one among its parameters."""
    return DENOISERS[params["denoiser"]["kind"]].model_validate(params["denoiser"])
