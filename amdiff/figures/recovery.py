"""Pictures of what comes back from noise. With them a reader checks the thresholds of the basins by eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .panels import rgb
from .style import COLORS, PAGE, subplots

FRAMES = {"train": "#CC79A7", **COLORS}
"""Colours of the frames by class. None is black, since the edges of pictures often are."""


@dataclass(frozen=True)
class Returns:
    """A target, and the image that comes back when one of its copies starts from each noise level."""

    group: str
    """Class of the target, or 'train' for a training point."""
    image: UInt8[np.ndarray, "c h w"]
    """The target."""
    back: UInt8[np.ndarray, "t c h w"]
    """The images that come back, by noise level."""
    distance: Float[np.ndarray, " t"]
    """Their distances to the target; NaN at noise levels that the search did not reach."""


def what_returns(rows: Sequence[Returns], times: Sequence[int], delta: float, title: str) -> Figure:
    """Draw targets of each class, each beside the images that come back from rising noise.

    An image has a frame where its distance to the target is at most ``delta``, so that it counts as recovered.
    ``times`` are the indices of the noise levels.
    """
    reached = max((int(np.isfinite(row.distance).sum()) for row in rows), default=1)  # a scan has no gaps
    times = times[:reached]
    figure, grid = _pictures(len(rows), len(times) + 1, title)
    for line, row in zip(grid, rows, strict=False):
        _picture(line[0], row.image)
        line[0].set_ylabel(row.group, fontsize=5, color=FRAMES[row.group])
        for axes, image, distance in zip(line[1:], row.back[:reached], row.distance[:reached], strict=True):
            if np.isnan(distance):
                continue
            _picture(axes, image)
            axes.set_xlabel(f"{distance:.2g}", fontsize=4.5, labelpad=1)
            if distance <= delta:
                for spine in axes.spines.values():
                    spine.set(visible=True, color=FRAMES[row.group], linewidth=1.2)
    grid[0, 0].set_title("target", fontsize=5)
    for axes, time in zip(grid[0, 1:], times, strict=True):
        axes.set_title(f"t = {time}", fontsize=5)
    return figure


@dataclass(frozen=True)
class LastReturns:
    """A target, and the last image of one of its copies that counts as recovered at each of d thresholds."""

    size: int
    """K."""
    delta: float
    """The threshold at this K, before it is multiplied by a factor."""
    group: str
    """Class of the target, or 'train' for a training point."""
    image: UInt8[np.ndarray, "c h w"]
    """The target."""
    back: UInt8[np.ndarray, "d c h w"]
    """The last recovered image at each threshold."""
    time: Int64[np.ndarray, " d"]
    """Critical time at each threshold: the index of a noise level."""
    failed: Bool[np.ndarray, " d"]
    """True at thresholds at which the copy never came back."""


def last_returns(rows: Sequence[LastReturns], factors: Sequence[float], title: str) -> Figure:
    """Draw targets, each beside the last image that counts as recovered at each threshold.

    A threshold is too large where this image is no longer the target. ``factors`` are those by which delta is
    multiplied.
    """
    figure, grid = _pictures(len(rows), len(factors) + 1, title)
    for line, row in zip(grid, rows, strict=False):
        _picture(line[0], row.image)
        line[0].set_ylabel(f"{row.group}\nK = {row.size:,}", fontsize=5, color=FRAMES[row.group])
        line[0].set_xlabel(rf"$\delta$ = {row.delta:.3g}", fontsize=4.5, labelpad=1)
        for axes, image, time, failed in zip(line[1:], row.back, row.time, row.failed, strict=True):
            if not failed:
                _picture(axes, image)
            axes.set_xlabel("never" if failed else f"t = {time}", fontsize=4.5, labelpad=1)
    grid[0, 0].set_title("target", fontsize=5)
    for axes, factor in zip(grid[0, 1:], factors, strict=True):
        axes.set_title(rf"$\delta$ x {factor:g}", fontsize=5)
    return figure


def _pictures(rows: int, columns: int, title: str) -> tuple[Figure, np.ndarray]:
    """A grid of axes for small pictures, without frames or ticks."""
    width = min(PAGE, 0.75 * columns)
    height = 0.85 * width / columns * max(rows, 1) * 1.25 + 0.4
    figure, grid = subplots(max(rows, 1), columns, width=width, height=height)
    figure.suptitle(title, fontsize=8)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure, grid


def _picture(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(rgb(image), interpolation="nearest")
