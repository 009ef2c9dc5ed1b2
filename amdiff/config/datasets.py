"""Datasets: where images come from, and what is done to them on the way to the canonical form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from .base import Local, Spec


class ImageDataset(Spec):
    """What every image dataset may do on its way to the canonical uint8 (N, C, H, W)."""

    crop: int | Literal["square"] | None = None
    """Centre crop before resizing: a side in pixels, or 'square' for the largest square."""
    resize: Annotated[int, Field(ge=2, le=4096)] | None = None
    """Side in pixels after resizing; with resample 'box' and an integer ratio this is average pooling."""
    resample: Literal["box", "bilinear", "bicubic", "lanczos"] = "box"
    """Resampling filter, antialiased (Pillow)."""
    deduplicate: bool = True
    """Keep only the first of byte-equal images, so that K counts distinct images."""

    has_own_source: ClassVar[bool] = False
    test_images: ClassVar[int] = 0
    """Images of the source's test split."""

    @property
    def has_test(self) -> bool:
        """Whether it brings images that are never trained on."""
        return self.test_images > 0

    def identity(self) -> dict[str, Any]:
        """As for all specifications; without a resize the filter decides nothing."""
        values = super().identity()
        if self.resize is None:
            del values["resample"]
        return values

    @field_validator("crop")
    @classmethod
    def _crop_is_positive(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, int) and value < 2:
            raise ValueError("a crop is 'square' or a side of at least 2 pixels")
        return value


class DigitsDataset(ImageDataset):
    """scikit-learn's handwritten digits: 1,797 images of 8x8, one channel."""

    kind: Literal["digits"]


class MnistDataset(ImageDataset):
    """MNIST (LeCun et al. 1998): 60,000 training and 10,000 test images of 28x28."""

    kind: Literal["mnist"]
    folder: Annotated[Path | None, Local] = None
    """Folder with the four *-ubyte.gz files; default: a download."""

    test_images: ClassVar[int] = 10_000


class FashionMnistDataset(ImageDataset):
    """FASHION-MNIST (Xiao et al. 2017): 60,000 training and 10,000 test images of 28x28."""

    test_images: ClassVar[int] = 10_000

    kind: Literal["fashion-mnist"]
    folder: Annotated[Path | None, Local] = None
    """Folder with the four *-ubyte.gz files; default: Debian's dataset-fashion-mnist, then a download."""


class Cifar10Dataset(ImageDataset):
    """CIFAR10 (Krizhevsky 2009): 50,000 training and 10,000 test images of 32x32; colour."""

    kind: Literal["cifar10"]
    folder: Annotated[Path | None, Local] = None
    """Folder with cifar-10-binary.tar.gz, cifar-10-python.tar.gz or cifar-10-batches-py; default: a download."""

    test_images: ClassVar[int] = 10_000


class LsunChurchDataset(ImageDataset):
    """LSUN-CHURCH (Yu et al. 2015): 126,227 training images, cropped to a square and down-sampled; colour."""

    kind: Literal["lsun-church"]
    folder: Annotated[Path | None, Local] = None
    """Folder with church_outdoor_train_lmdb or its .zip; default: a download of 2.3 GiB."""
    count: Annotated[int, Field(ge=2)] = 126_227
    """Images that the database must hold."""
    crop: int | Literal["square"] | None = "square"
    resize: Annotated[int, Field(ge=2, le=4096)] | None = 64


class PhotosDataset(ImageDataset):
    """Non-overlapping square tiles of scikit-learn's two photographs; colour."""

    kind: Literal["photos"]
    tile: Literal[16, 32] = 32
    """Side of a tile in pixels."""


class FolderDataset(ImageDataset):
    """Your own images: every image file below a folder."""

    kind: Literal["folder"]
    path: Annotated[Path, Local]
    """The folder; read recursively, in the order of the sorted relative paths."""
    channels: Literal[1, 3] = 3
    """Convert to gray (1) or RGB (3)."""
    heldout: Annotated[Path | None, Local] = None
    """Folder with real images that are no training data: the test split."""

    has_own_source: ClassVar[bool] = True

    @property
    def has_test(self) -> bool:
        return self.heldout is not None


class ArraysDataset(ImageDataset):
    """Your own arrays: .npy, .npz or HDF5, (N, H, W), (N, C, H, W) or (N, H, W, C)."""

    kind: Literal["arrays"]
    path: Annotated[Path, Local]
    """The file."""
    heldout: Annotated[Path | None, Local] = None
    """File, like the other, with real images that are no training data: the test split."""
    key: str | None = None
    """Name of the array inside an .npz or HDF5 file; may be left out when there is only one."""
    layout: Literal["NHW", "NCHW", "NHWC"] = "NCHW"
    """Meaning of the axes; (N, H, W) arrays need 'NHW'."""
    range: tuple[float, float] | None = None
    """The values that mean black and white; required unless the array is uint8 in 0..255."""

    has_own_source: ClassVar[bool] = True

    @property
    def has_test(self) -> bool:
        return self.heldout is not None

    @field_validator("range")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError("range is [black, white] with black < white")
        return value


class CircleDataset(Spec):
    """Points on the unit circle, float32 (N, 2): the toy model of section 4.1."""

    kind: Literal["circle"]
    count: Annotated[int, Field(ge=2)] = 60_000
    """Number of points in the pool."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 9
    """Of numpy's RandomState, as in the published code."""

    has_own_source: ClassVar[bool] = False
    has_test: ClassVar[bool] = False


DatasetSpec = Annotated[
    DigitsDataset
    | MnistDataset
    | FashionMnistDataset
    | Cifar10Dataset
    | LsunChurchDataset
    | PhotosDataset
    | FolderDataset
    | ArraysDataset
    | CircleDataset,
    Field(discriminator="kind"),
]
