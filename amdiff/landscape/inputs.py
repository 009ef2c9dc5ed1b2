"""What the measures of the landscape are given: checked before anything is computed."""

from __future__ import annotations

from torch import Tensor

from amdiff.diffusion.schedules import Schedule


def floating(images: Tensor) -> None:
    """Raise ``ValueError`` unless these are images as floating-point numbers, at least one."""
    if not images.is_floating_point():
        raise ValueError(
            f"images are floating-point tensors in [-1, 1], got {images.dtype}; convert uint8 by "
            "amdiff.diffusion.from_uint8"
        )
    if images.ndim < 2 or not images.numel():
        raise ValueError(f"expected at least one image, as a tensor (n, ...), got the shape {tuple(images.shape)}")


def index_of_time(time: int, schedule: Schedule) -> None:
    """Raise ``ValueError`` unless this is the index of a noise level."""
    if not 0 <= time < len(schedule):
        raise ValueError(f"times are indices of noise levels, 0 to {len(schedule) - 1}, got {time}")
