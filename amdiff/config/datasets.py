"""Datasets: where images come from, and what is done to them on the way to the canonical form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from .base import Local, Spec

Extent = tuple[int, int, tuple[int, ...]]
"""Numbers of training and of test images, and their shape (C, H, W); of points and theirs, (2,)."""


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
    """Whether it is read from files of one's own, whose digest is part of its address."""
    holds: ClassVar[str] = "images"
    test_images: ClassVar[int] = 0
    """Images of the source's test split."""
    fitted: ClassVar[bool] = False
    """Whether its images are cropped and resized as they are read, since they differ in size."""

    @property
    def extent(self) -> Extent | None:
        """Training images, test images and their shape (C, H, W) before a crop; None where only the files tell."""
        return None

    @property
    def has_test(self) -> bool:
        """Whether it brings images that are never trained on."""
        return self.test_images > 0

    def idle(self) -> set[str]:
        """Without a resize the filter decides nothing."""
        return {"resample"} if self.resize is None else set()

    @field_validator("crop")
    @classmethod
    def _crop_is_positive(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, int) and value < 2:
            raise ValueError("a crop is 'square' or a side of at least 2 pixels")
        return value


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
    """Folder with the four *-ubyte.gz files; default: a download."""

    test_images: ClassVar[int] = 10_000

    @property
    def extent(self) -> Extent:
        return 60_000, self.test_images, (1, 28, 28)


class FashionMnistDataset(ImageDataset):
    """FASHION-MNIST (Xiao et al. 2017): 60,000 training and 10,000 test images of 28x28."""

    kind: Literal["fashion-mnist"]
    folder: Annotated[Path | None, Local] = None
    """Folder with the four *-ubyte.gz files; default: Debian's dataset-fashion-mnist, then a download."""

    test_images: ClassVar[int] = 10_000

    @property
    def extent(self) -> Extent:
        return 60_000, self.test_images, (1, 28, 28)


class Cifar10Dataset(ImageDataset):
    """CIFAR10 (Krizhevsky 2009): 50,000 training and 10,000 test images of 32x32; colour."""

    kind: Literal["cifar10"]
    folder: Annotated[Path | None, Local] = None
    """Folder with cifar-10-binary.tar.gz, cifar-10-python.tar.gz or cifar-10-batches-py; default: a download."""

    test_images: ClassVar[int] = 10_000

    @property
    def extent(self) -> Extent:
        return 50_000, self.test_images, (3, 32, 32)


class LsunChurchDataset(ImageDataset):
    """LSUN-CHURCH (Yu et al. 2015): 126,227 training images, cropped to a square and down-sampled; colour."""

    kind: Literal["lsun-church"]
    folder: Annotated[Path | None, Local] = None
    """Folder with church_outdoor_train_lmdb or its .zip; default: a download of 2.3 GiB."""
    count: Annotated[int, Field(ge=2)] = 126_227
    """Images that the database must hold."""
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


def split_key(path: str) -> tuple[str, str | None]:
    """File and key of 'file.npz::train_images'; a path that is there as it stands has no key."""
    file, _, key = path.rpartition("::")
    return (file, key) if file and not Path(path).exists() else (path, None)


class OwnDataset(ImageDataset):
    """Images of one's own, and real ones that are no training data."""

    path: Annotated[Path, Local]
    heldout: Annotated[Path | None, Local] = None
    key: str | None = None
    heldout_key: str | None = None
    """As key, of the held-out images where it differs."""

    has_own_source: ClassVar[bool] = True

    @property
    def has_test(self) -> bool:
        return self.heldout is not None

    @model_validator(mode="before")
    @classmethod
    def _key_in_path(cls, data: Any) -> Any:
        """'file.npz::train_images' names a file and an array in it."""
        if not isinstance(data, Mapping):
            return data
        found = dict(data)
        for path, key in (("path", "key"), ("heldout", "heldout_key")):
            file, name = split_key(str(found.get(path) or ""))
            if name is not None:
                if found.get(key) not in (None, name):
                    raise ValueError(f"{key}: got {found[key]!r}, but {path} names {name!r}; give one of them")
                found |= {path: file, key: name}
        return found

    def idle(self) -> set[str]:
        """Optional keys that are left out decide nothing."""
        return super().idle() | {name for name in self.optional if not getattr(self, name)}

    def identity(self) -> dict[str, Any]:
        """As for all specifications, and how the files are read."""
        return super().identity() | {"reading": self.reading}

    reading: ClassVar[int] = 2
    """Raised when the same files and settings are read otherwise."""
    optional: ClassVar[tuple[str, ...]] = ("heldout_key",)
    """Keys that decide nothing where they are left out."""


class FolderDataset(OwnDataset):
    """Your own images: every image file below a folder, or in a .zip, .tar, .parquet or HDF5 of encoded pictures."""

    kind: Literal["folder"]
    path: Annotated[Path, Local]
    """The folder, read with its subfolders in the order of the sorted relative paths; or a container of pictures."""
    channels: Literal[1, 3] = 3
    """Convert to gray (1) or RGB (3)."""
    heldout: Annotated[Path | None, Local] = None
    """Folder or container with real images that are no training data: the test split."""
    key: str | None = None
    """Column of a .parquet, or array of an HDF5 of encoded pictures, where there are several."""
    background: Annotated[str, Field(validate_default=True)] = "white"
    """What is seen behind transparent pixels: a colour's name, or as '#80ff00'."""
    skip_unreadable: bool = False
    """Leave out files that cannot be read as images, and say so; else they are an error."""

    optional: ClassVar[tuple[str, ...]] = ("heldout_key", "key", "skip_unreadable")

    @field_validator("background")
    @classmethod
    def _is_colour(cls, value: str) -> str:
        from PIL import ImageColor

        try:
            return "#{:02x}{:02x}{:02x}".format(*ImageColor.getrgb(value)[:3])
        except ValueError:
            raise ValueError(f"got {value!r}; a background is a colour's name, or as '#80ff00'") from None


Layout = Literal["NHW", "NCHW", "NHWC", "HWN", "HWCN"]
"""Order of an array's axes; the last two are MATLAB's."""

Range = tuple[float, float]


class ArraysDataset(OwnDataset):
    """Your own arrays: .npy, .npz, HDF5 or .mat."""

    kind: Literal["arrays"]
    path: Annotated[Path, Local]
    """The file."""
    heldout: Annotated[Path | None, Local] = None
    """File, like the other, with real images that are no training data: the test split."""
    key: str | None = None
    """Name of the array inside an .npz, HDF5 or .mat file; may be left out when there is only one."""
    layout: Layout | None = None
    """Meaning of the axes, in the order that the author sees: of a .mat that of MATLAB, often 'HWCN'. Left out it is
    'NCHW', unless the shape speaks against it."""
    range: Range | None = None
    """The values that mean black and white; required unless the array is uint8 in 0..255."""
    heldout_layout: Layout | None = None
    """As layout, of the held-out images where it differs."""
    heldout_range: Range | None = None
    """As range, of the held-out images where it differs."""

    optional: ClassVar[tuple[str, ...]] = ("heldout_key", "heldout_layout", "heldout_range")

    def identity(self) -> dict[str, Any]:
        """As for all specifications; a layout that is left out is the default one."""
        return super().identity() | {"layout": self.layout or "NCHW"}

    @field_validator("range", "heldout_range")
    @classmethod
    def _ordered(cls, value: Range | None) -> Range | None:
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
