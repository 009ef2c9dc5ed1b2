"""What every dataset of images may do on its way to the canonical form."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from .base import Spec

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
