"""Datasets of one's own: pictures and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from .base import Local
from .image_datasets import ImageDataset


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
