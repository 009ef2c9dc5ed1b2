"""Datasets: where images come from, and how they are brought to the canonical form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Local, Spec
from .image_datasets import Extent, ImageDataset
from .own_datasets import ArraysDataset, FolderDataset


class DigitsDataset(ImageDataset):
    """scikit-learn's handwritten digits: 1,797 images of 8x8, one channel."""

    kind: Literal["digits"]

    @property
    def extent(self) -> Extent:
        return 1797, 0, (1, 8, 8)


class MnistDataset(ImageDataset):
    """MNIST (LeCun et al. 1998): 60,000 training and 10,000 test images of 28x28."""

    kind: Literal["mnist"]
    folder: Annotated[Path | None, Local] = None
    """Folder with the four *-ubyte.gz files. Without it, they are downloaded."""

    test_images: ClassVar[int] = 10_000

    @property
    def extent(self) -> Extent:
        return 60_000, self.test_images, (1, 28, 28)


class FashionMnistDataset(ImageDataset):
    """FASHION-MNIST (Xiao et al. 2017): 60,000 training and 10,000 test images of 28x28."""

    kind: Literal["fashion-mnist"]
    folder: Annotated[Path | None, Local] = None
    """Folder with the four *-ubyte.gz files. Without it, they come from Debian's package dataset-fashion-mnist, or else
    from a download."""

    test_images: ClassVar[int] = 10_000

    @property
    def extent(self) -> Extent:
        return 60_000, self.test_images, (1, 28, 28)


class Cifar10Dataset(ImageDataset):
    """CIFAR10 (Krizhevsky 2009): 50,000 training and 10,000 test images of 32x32; colour."""

    kind: Literal["cifar10"]
    folder: Annotated[Path | None, Local] = None
    """Folder with cifar-10-binary.tar.gz, cifar-10-python.tar.gz or cifar-10-batches-py. Without it, they are
    downloaded."""

    test_images: ClassVar[int] = 10_000

    @property
    def extent(self) -> Extent:
        return 50_000, self.test_images, (3, 32, 32)


class LsunChurchDataset(ImageDataset):
    """LSUN-CHURCH (Yu et al. 2015): 126,227 training images, cropped to a square and down-sampled; colour."""

    kind: Literal["lsun-church"]
    folder: Annotated[Path | None, Local] = None
    """Folder with church_outdoor_train_lmdb or its .zip. Without it, 2.3 GiB are downloaded."""
    count: Annotated[int, Field(ge=2)] = 126_227
    """Number of images that the database must hold."""
    crop: int | Literal["square"] | None = "square"
    resize: Annotated[int, Field(ge=2, le=4096)] | None = 64

    fitted: ClassVar[bool] = True

    @property
    def extent(self) -> Extent:
        return self.count, 0, (3, 256, 256)  # the smaller side


class PhotosDataset(ImageDataset):
    """Non-overlapping square tiles of scikit-learn's two photographs; colour."""

    kind: Literal["photos"]
    tile: Literal[16, 32] = 32
    """Side of a tile in pixels."""

    @property
    def extent(self) -> Extent:  # two photographs of 427x640
        return 2 * (427 // self.tile) * (640 // self.tile), 0, (3, self.tile, self.tile)


class CircleDataset(Spec):
    """Points on the unit circle, float32 (N, 2): the toy model of section 4.1."""

    kind: Literal["circle"]
    count: Annotated[int, Field(ge=2)] = 60_000
    """Number of points in the pool."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 9
    """Seed of numpy's RandomState, as in the published code."""

    has_own_source: ClassVar[bool] = False
    has_test: ClassVar[bool] = False
    holds: ClassVar[str] = "points"

    @property
    def extent(self) -> Extent:
        return self.count, 0, (2,)


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
