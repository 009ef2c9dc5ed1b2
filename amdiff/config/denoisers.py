"""Denoisers: networks that are trained here, models trained elsewhere, closed forms, and samples without a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator

from .base import Local
from .networks import DenoiserBase, ImageNetwork, PointNetwork, Shape, UnetDenoiser


class ClosedForm(DenoiserBase):
    """An exact score in closed form, without a network and without training."""

    runs: ClassVar[bool] = False

    def flops(self, shape: Shape) -> float:
        return 0.0


class ExactDenoiser(ClosedForm):
    """The closed-form score of a finite set of memories, or of a Gaussian. Nothing is trained."""

    kind: Literal["exact"]
    memories: Literal["train", "heldout", "gaussian"] = "train"
    """The K training images; K held-out images; or a Gaussian fitted to the whole dataset."""

    @property
    def of_whole_dataset(self) -> bool:
        return self.memories == "gaussian"

    @property
    def words(self) -> str:
        what = {"train": "the training set", "heldout": "held-out images", "gaussian": "a Gaussian"}[self.memories]
        return f"the closed-form score of {what}; nothing is trained"


class ExactCircleDenoiser(ClosedForm):
    """The closed-form score of the K training points. Nothing is trained."""

    kind: Literal["exact"]

    @property
    def words(self) -> str:
        return "the closed-form score of the training set; nothing is trained"


class PretrainedDenoiser(DenoiserBase):
    """A U-Net that was trained elsewhere.

    It is a folder with a diffusers pipeline or with its ``UNet2DModel``, or a checkpoint file in the layout of DDPM's
    PyTorch ports. '{K}' in a path stands for the training-set size.
    """

    kind: Literal["pretrained"]
    path: Annotated[str | None, Local] = None
    """Path on disk, for example 'models/{K}' or 'checkpoints/{K}.pt'. Give either 'path' or 'hub'."""
    hub: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    """Repository on the Hugging Face hub, for example 'google/ddpm-cifar10-32'."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    """Commit of the repository, as 40 hexadecimal digits. The name of a branch or a tag is refused, because it can
    move."""
    file: str | None = None
    """File or folder inside the repository, for example '{K}.pt'; null for its root."""
    weights: Literal["ema", "model"] = "ema"
    """Which weights to take from a folder or a checkpoint that has both: 'ema' is the moving average, 'model' the last
    ones."""
    prediction: Literal["epsilon", "v_prediction", "sample"] | None = None
    """What the network predicts: the noise, v or the image. It is needed if no scheduler beside the network says so."""
    norm_groups: Annotated[int, Field(ge=1)] = 32
    """Number of groups of the group normalisation, for a checkpoint file. Its tensors do not show this number."""

    @field_validator("path", "file")
    @classmethod
    def _only_k(cls, value: str | None) -> str | None:
        if value is not None and set("{}") & set(value.replace("{K}", "")):
            raise ValueError(f"got {value!r}; braces stand for the training-set size only, as '{{K}}'")
        return value

    @model_validator(mode="after")
    def _hub_is_whole(self) -> PretrainedDenoiser:
        if self.hub is None and (self.revision is not None or self.file is not None):
            raise ValueError("'revision' and 'file' belong to 'hub'; for a model on disk give 'path' alone")
        if self.hub is not None and (self.revision is None or self.path is not None):
            raise ValueError("'hub' needs 'revision', a commit of 40 hexadecimal digits; leave 'path' out")
        return self

    elsewhere: ClassVar[bool] = True

    def idle(self) -> set[str]:
        """A prediction that is left out has no effect: the model's own files state it."""
        return {"prediction"} if self.prediction is None else set()

    @property
    def words(self) -> str:
        return f"trained elsewhere: {self.path or self.hub}"

    def flops(self, shape: Shape) -> float:
        """FLOPs of DDPM's own network, because the settings do not say how large the model is."""
        side = 2 ** max(3, math.ceil(math.log2(max(shape[1:])))) if len(shape) == 3 else 8
        return UnetDenoiser(kind="unet").flops((shape[0], side, side))

    @property
    def one_a_size(self) -> bool:
        """Whether each training-set size has a model of its own."""
        return "{K}" in (self.path or self.file or "")


class GivenSamples(DenoiserBase):
    """Your own synthetic set, to be audited. There is no model."""

    kind: Literal["given"]
    samples: str
    """Name of the dataset that holds the samples. All its images are samples, also byte-equal ones."""

    elsewhere: ClassVar[bool] = True
    runs: ClassVar[bool] = False
    modelled: ClassVar[bool] = False

    @property
    def words(self) -> str:
        return f"no model; the samples are those of {self.samples}"

    def flops(self, shape: Shape) -> float:
        return 0.0

    def resolved(self) -> dict[str, Any]:
        """The kind alone, because the artifact reads the samples themselves."""
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
"""Every denoiser, by its kind. The closed forms of images and of points share one kind."""


def denoiser_of(params: Mapping[str, Any]) -> DenoiserBase:
    """The denoiser among the parameters of an artifact."""
    return DENOISERS[params["denoiser"]["kind"]].model_validate(params["denoiser"])
