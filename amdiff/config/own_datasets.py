"""Your own datasets: pictures and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from .base import Local
from .image_datasets import ImageDataset


def split_key(path: str) -> tuple[str, str | None]:
    """Split 'file.npz::train_images' into file and key. There is no key if a file of the whole name exists."""
    file, _, key = path.rpartition("::")
    return (file, key) if file and not Path(path).exists() else (path, None)


class OwnDataset(ImageDataset):
    """Your own images, and optionally real ones that are not training data."""

    path: Annotated[Path, Local]
    heldout: Annotated[Path | None, Local] = None
    key: str | None = None
    heldout_key: str | None = None
    """Like key, but for the held-out images. Needed only if it differs."""

    has_own_source: ClassVar[bool] = True

    @property
    def has_test(self) -> bool:
        return self.heldout is not None

    @model_validator(mode="before")
    @classmethod
    def _key_in_path(cls, data: Any) -> Any:
        """Take the file and the name of the array out of a path such as 'file.npz::train_images'."""
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
        """Optional keys that are left out have no effect."""
        return super().idle() | {name for name in self.optional if not getattr(self, name)}

    def identity(self) -> dict[str, Any]:
        """The values that enter a page's address, with the version of the code that reads the files."""
        return super().identity() | {"reading": self.reading}

    reading: ClassVar[int] = 2
    """Version of the code that reads the files. Raise it when the same files and settings give other images."""
    optional: ClassVar[tuple[str, ...]] = ("heldout_key",)
    """Keys that have no effect if they are left out."""


class FolderDataset(OwnDataset):
    """Your own images: image files below a folder, or in a .zip, .tar, .parquet or HDF5 file of encoded pictures."""

    kind: Literal["folder"]
    path: Annotated[Path, Local]
    """The folder, or a container of pictures. A folder is read with its subfolders, in the order of the sorted relative
    paths."""
    channels: Literal[1, 3] = 3
    """Number of channels: 1 converts to gray, 3 to RGB."""
    heldout: Annotated[Path | None, Local] = None
    """Folder or container with real images that are not training data. They are the test split."""
    key: str | None = None
    """Column of a .parquet file, or array of an HDF5 file of encoded pictures. Needed only if there are several."""
    background: Annotated[str, Field(validate_default=True)] = "white"
    """Colour behind transparent pixels: the name of a colour, or a code such as '#80ff00'."""
    skip_unreadable: bool = False
    """Leave out files that cannot be read as images, and report them. With false, such a file is an error."""

    optional: ClassVar[tuple[str, ...]] = ("heldout_key", "key", "skip_unreadable")

    @field_validator("background")
    @classmethod
    def _is_colour(cls, value: str) -> str:
        from PIL import ImageColor

        try:
            return "#{:02x}{:02x}{:02x}".format(*ImageColor.getrgb(value)[:3])
        except ValueError:
            raise ValueError(f"got {value!r}; a background is a colour's name, or a code such as '#80ff00'") from None


Layout = Literal["NHW", "NCHW", "NHWC", "HWN", "HWCN"]
"""Order of an array's axes; the last two are MATLAB's."""

Range = tuple[float, float]


class ArraysDataset(OwnDataset):
    """Your own arrays: .npy, .npz, HDF5 or .mat."""

    kind: Literal["arrays"]
    path: Annotated[Path, Local]
    """The file."""
    heldout: Annotated[Path | None, Local] = None
    """File of the same kind, with real images that are not training data. They are the test split."""
    key: str | None = None
    """Name of the array inside an .npz, HDF5 or .mat file. Needed only if there are several."""
    layout: Layout | None = None
    """Meaning of the axes, in the order that the author of the file sees. For a .mat file this is MATLAB's order, often
    'HWCN'. If the layout is left out, it is 'NCHW', and an array whose shape suggests another layout is refused."""
    range: Range | None = None
    """The values that mean black and white, as [black, white]. Required unless the array is uint8 in 0..255."""
    heldout_layout: Layout | None = None
    """Like layout, but for the held-out images. Needed only if it differs."""
    heldout_range: Range | None = None
    """Like range, but for the held-out images. Needed only if it differs."""

    optional: ClassVar[tuple[str, ...]] = ("heldout_key", "heldout_layout", "heldout_range")

    def identity(self) -> dict[str, Any]:
        """The values that enter a page's address. A layout that is left out counts as 'NCHW'."""
        return super().identity() | {"layout": self.layout or "NCHW"}

    @field_validator("range", "heldout_range")
    @classmethod
    def _ordered(cls, value: Range | None) -> Range | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError(f"range is [black, white] with black < white, got {list(value)}")
        return value
