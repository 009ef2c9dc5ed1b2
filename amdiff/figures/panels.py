"""Panels of pictures: samples of a class beside their neighbours (fig. 1B, 13-15), and attractors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .style import HIDDEN, PAGE


@dataclass(frozen=True)
class Strip:
    """One sample with two rows of neighbours."""

    image: UInt8[np.ndarray, "c h w"]
    above: UInt8[np.ndarray, "a c h w"]
    """Upper row of neighbours."""
    above_distance: Sequence[float]
    """Distance to each of them."""
    below: UInt8[np.ndarray, "b c h w"]
    """Lower row of neighbours."""
    below_distance: Sequence[float]
    """Distance to each of them."""


def panel(strips: Sequence[Strip], color: str, title: str, columns: int = 2) -> Figure:
    """Draw samples, each beside its neighbours in S (upper row) and in S' (lower row), with the distances to them.

    ``color`` is that of the frames around the samples. Without samples the figure says "none".
    """
    if not strips:
        return _empty(title)
    width = max(max(len(s.above), len(s.below)) for s in strips)
    rows = -(-len(strips) // columns)
    block = 2.5 + width + 0.4  # a sample is two units high and wide, neighbours one each
    figure, axes = _canvas(columns * block, rows * 2.85 + 0.7, title)
    for number, strip in enumerate(strips):
        x, y = (number % columns) * block, (number // columns) * 2.85 + 0.7
        _draw(axes, strip.image, x, y + 0.2, 2.0)
        axes.add_patch(Rectangle((x, y + 0.2), 2.0, 2.0, fill=False, edgecolor=color, linewidth=1.5))
        for offset, images, distances in (
            (0.0, strip.above, strip.above_distance),
            (1.35, strip.below, strip.below_distance),
        ):
            for j, (image, distance) in enumerate(zip(images, distances, strict=True)):
                _draw(axes, image, x + 2.5 + j, y + offset, 0.94)
                axes.text(x + 2.97 + j, y + offset + 1.13, f"{distance:.2g}", ha="center", va="center", fontsize=5)
        for offset, name in ((0.47, "S"), (1.82, "S′")):
            axes.text(x + 2.26, y + offset, name, ha="center", va="center", fontsize=6, style="italic")
    return figure


def attractor_panel(
    groups: Sequence[tuple[str, UInt8[np.ndarray, "_ c h w"], UInt8[np.ndarray, "c h w"], float]], title: str
) -> Figure:
    """Draw attractors, one in each row: the samples that visit it, then the nearest training image.

    ``groups`` holds (label, visits, nearest training image, distance to this image). Without attractors the figure
    says "none".
    """
    if not groups:
        return _empty(title)
    width = max(len(visits) for _, visits, _, _ in groups)
    figure, axes = _canvas(width + 4.6, len(groups) * 1.12 + 1.1, title)
    axes.text(width + 2.9, 0.85, "nearest in S", ha="center", va="center", fontsize=6)
    for row, (label, visits, nearest, distance) in enumerate(groups):
        y = row * 1.12 + 1.1
        axes.text(-0.1, y + 0.5, label, ha="right", va="center", fontsize=6)
        for j, image in enumerate(visits):
            _draw(axes, image, j, y, 0.94)
        _draw(axes, nearest, width + 2.4, y, 0.94)
        axes.text(width + 3.5, y + 0.5, f"{distance:.2g}", ha="left", va="center", fontsize=6)
    axes.set_xlim(-2.2, width + 4.6)
    return figure


def _canvas(width: float, height: float, title: str) -> tuple[Figure, plt.Axes]:
    figure, axes = plt.subplots(figsize=(PAGE, max(PAGE * height / width, 0.8)))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.text(0, 0.3, title, fontsize=8, va="center", ha="left")
    return figure, axes


def _empty(title: str) -> Figure:
    figure, axes = _canvas(10, 1.2, title)
    axes.text(0, 0.9, "none", fontsize=8, va="center", ha="left", style="italic")
    figure.set_label(HIDDEN)
    return figure


def _draw(axes: plt.Axes, image: np.ndarray, x: float, y: float, size: float) -> None:
    axes.imshow(rgb(image), extent=(x, x + size, y + size, y), interpolation="nearest", zorder=0)


def rgb(image: UInt8[np.ndarray, "c h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """An image with 1 or 3 channels in the form that matplotlib draws."""
    return image.transpose(1, 2, 0) if len(image) == 3 else np.repeat(image[0][:, :, None], 3, axis=2)
