"""Check the inputs of the landscape's measures before anything is computed."""

from __future__ import annotations

import warnings

from torch import Tensor

from amdiff.diffusion.processes import Schedule
from amdiff.errors import AmdiffError


def floating(images: Tensor) -> None:
    """Raise ``ValueError`` unless ``images`` holds at least one image, as floating-point numbers.

    Warns where images (n, c, h, w) of 1 or 3 channels seem to lie in [0, 1], since measures and models expect [-1, 1].
    """
    if not images.is_floating_point():
        raise AmdiffError(
            f"images must be floating-point tensors in [-1, 1], got {images.dtype}; convert uint8 by "
            "amdiff.diffusion.from_uint8"
        )
    if images.ndim < 2 or not images.numel():
        raise AmdiffError(f"expected at least one image, as a tensor (n, ...), got the shape {tuple(images.shape)}")
    if images.ndim == 4 and images.shape[1] in (1, 3):
        low, high = float(images.min()), float(images.max())
        if 0 <= low < high <= 1:
            warnings.warn(
                f"images have values from {low:.3g} to {high:.3g}, where [-1, 1] is expected; take 2 x - 1 if their "
                "range is [0, 1]",
                stacklevel=3,
            )


def index_of_time(time: int, schedule: Schedule) -> None:
    """Raise ``ValueError`` unless ``time`` is the index of a noise level of the schedule."""
    if not 0 <= time < len(schedule):
        raise AmdiffError(f"times are indices of noise levels, 0 to {len(schedule) - 1}, got {time}")
