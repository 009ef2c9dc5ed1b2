"""Settings that all datasets of images share."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from .base import Spec

Extent = tuple[int, int, tuple[int, ...]]
"""Number of training images, number of test images, and the shape (C, H, W) of an image. Points have the shape (2,)."""


class ImageDataset(Spec):
    """Settings of all image datasets: how images are brought to the canonical uint8 (N, C, H, W)."""

    crop: int | Literal["square"] | None = None
    """Centre crop before resizing: a side in pixels, or 'square' for the largest square."""
    resize: Annotated[int, Field(ge=2, le=4096)] | None = None
    """Side in pixels after resizing. With resample 'box' and an integer ratio, this is average pooling."""
    resample: Literal["box", "bilinear", "bicubic", "lanczos"] = "box"
    """Resampling filter, antialiased (Pillow)."""
    deduplicate: bool = True
    """Keep only the first of byte-equal images, so that K counts distinct images."""

    has_own_source: ClassVar[bool] = False
    """Whether it is read from files of the user. The digest of these files is then part of its address."""
    holds: ClassVar[str] = "images"
    test_images: ClassVar[int] = 0
    """Number of images in the test split of its source."""
    fitted: ClassVar[bool] = False
    """Whether its images differ in size, so that they are cropped and resized as they are read."""

    @property
    def extent(self) -> Extent | None:
        """Numbers of training and test images, and their shape (C, H, W) before a crop. None if only files show it."""
        return None

    @property
    def has_test(self) -> bool:
        """Whether it has images that are never trained on."""
        return self.test_images > 0

    def idle(self) -> set[str]:
        """Without a resize, the filter has no effect."""
        return {"resample"} if self.resize is None else set()

    @field_validator("crop")
    @classmethod
    def _crop_is_positive(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, int) and value < 2:
            raise ValueError(f"got {value}; a crop is 'square' or a side of at least 2 pixels")
        return value
