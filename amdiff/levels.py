"""From numbers to the 256 levels of an image: which value is black, which is white, and whether the data agree."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped, UInt8

from amdiff.errors import DataError

OVERSHOOT = 0.01
"""Values may lie outside the stated range by this share of it. They are clipped, and a note says so."""

Range = tuple[float, float]


def to_nchw(array: Shaped[np.ndarray, "..."], layout: str) -> Shaped[np.ndarray, "n c h w"]:
    """Bring an array whose axes are ``layout``, such as 'NHWC' or 'HWN', to (N, C, H, W).

    Raises ``DataError`` if the array is empty, or has another number of axes.
    """
    if array.ndim != len(layout):
        raise DataError(f"layout {layout} has {len(layout)} axes, got an array of shape {array.shape}")
    if array.size == 0:
        raise DataError(f"the array is empty: its shape is {array.shape}")
    ordered = array.transpose([layout.index(axis) for axis in "NCHW" if axis in layout])
    return ordered if "C" in layout else ordered[:, None]


def to_uint8(values: Shaped[np.ndarray, "..."], black_white: Range | None) -> UInt8[np.ndarray, "..."]:
    """Map the numbers of a whole set to 0..255 linearly, rounding half to even.

    ``black_white`` are the values that become 0 and 255. For a uint8 array it may be None. Raises ``DataError`` for
    NaN, infinities, values outside the range, a missing range, and numbers that cannot be images with the stated range.
    """
    numbers = Numbers(black_white)
    images = numbers.to_uint8(values)
    numbers.remarks()
    return images


class Numbers:
    """The numbers of one set of images, which come block by block."""

    def __init__(self, black_white: Range | None) -> None:
        self.range = black_white
        self._low, self._high = np.inf, -np.inf
        self._count = self._outside = 0
        self._kind = np.dtype(np.uint8)

    def to_uint8(self, values: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
        """Convert one block of the set, as the function ``to_uint8`` does. Raises ``DataError``."""
        if not (np.issubdtype(values.dtype, np.number) or values.dtype == np.bool_):
            raise DataError(f"images are numbers, got an array of {values.dtype}")
        if np.iscomplexobj(values):
            raise DataError("images are real numbers, got a complex array")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DataError(f"the array holds {int((~np.isfinite(values)).sum())} values that are NaN or infinite")
        if self.range is None and values.dtype != np.uint8:
            raise DataError(
                f"the array is {values.dtype}: state the values that mean black and white, as in 'range: [0, 1]' "
                "(--values 0 1 of an audit)"
            )
        self._kind = values.dtype
        self._count += values.size
        if values.size:
            self._low, self._high = min(self._low, float(values.min())), max(self._high, float(values.max()))
        if self.range is None:
            return values
        low, high = self.range
        room = OVERSHOOT * (high - low)
        if self._low < low - room or self._high > high + room:
            raise DataError(
                f"values run from {self._low:g} to {self._high:g}, outside the stated range [{low:g}, {high:g}]; state "
                "the values that mean black and white, or clip them"
            )
        self._outside += int(((values < low) | (values > high)).sum())
        levels = np.rint((values.astype(np.float64) - low) * (255 / (high - low)))
        return np.clip(levels, 0, 255).astype(np.uint8)

    def remarks(self) -> list[str]:
        """What the user should know about all blocks so far.

        Raises ``DataError`` if the numbers cannot be images with the stated range.
        """
        if not self._count:
            return []
        ends = f"values run from {self._low:g} to {self._high:g}"
        if self.range is None:
            if self._high <= 1 or self._low < self._high < 3:
                raise DataError(
                    f"the array is uint8 and {ends}, where 255 means white; state the values that mean black and "
                    "white, as in 'range: [0, 1]' (--values 0 1 of an audit)"
                )
            low, high = 0.0, 255.0
        else:
            low, high = self.range
            if self._high > self._low and (self._high - self._low) * 255 < 3 * (high - low):
                raise DataError(
                    f"{ends}, so they fill only one or two of the 256 levels of the stated range [{low:g}, {high:g}]; "
                    "state the values that mean black and white"
                )
        said = []
        if self._outside:
            beyond = max(low - self._low, self._high - high) / (high - low)
            said.append(
                f"{self._outside:,} of {self._count:,} values lie outside the stated range [{low:g}, {high:g}], by at "
                f"most {beyond:.2%} of it; they were clipped"
            )
        if unfilled(self._low, self._high, low, high):
            what = f"the stated range is [{low:g}, {high:g}]" if self.range else "255 means white"
            said.append(f"{ends}, and {what}: check that the values that mean black and white are right")
        return said


def unfilled(low: float, high: float, black: float, white: float) -> bool:
    """Whether values leave half of a range unused: all lie above its middle, or below it, or within less than half."""
    middle, room = (black + white) / 2, OVERSHOOT * (white - black)
    return low >= middle - room or high <= middle + room or high - low < (white - black) / 2
