"""Figures of the toy model on a circle: energy on the plane (fig. 2), energy along the radius, two memories (eq. 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from amdiff.landscape import two_memories as theory

from .style import COLORS, PAGE, subplots

TOP = 1.0
"""Energies above this have the same colour."""


@dataclass(frozen=True)
class Found:
    """Results for one training-set size K."""

    summary: dict[str, Any]
    """Numbers: size, minima, clusters, radii."""
    axis: Float[np.ndarray, " n"]
    """Coordinates of the grid, the same for x and y."""
    learned: Float[np.ndarray, "n n"]
    """Energy of the trained model on the grid."""
    empirical: Float[np.ndarray, "n n"]
    """Energy of the K training points on the grid."""
    infinite: Float[np.ndarray, "n n"]
    """Exact energy of infinitely many points on the grid."""
    score: Float[np.ndarray, "n n 2"]
    """Score of the trained model on the grid."""
    points: Float[np.ndarray, "k 2"]
    """Training points."""
    samples: Float[np.ndarray, "m 2"]
    """Synthetic samples."""
    radius: Float[np.ndarray, " r"]
    """Radii of the profiles."""
    profiles: dict[str, Float[np.ndarray, " r"]]
    """Energy averaged over angles, for 'learned', 'empirical' and 'infinite'."""

    @property
    def size(self) -> int:
        """K."""
        return int(self.summary["size"])


Content = Sequence[Found]
"""Results for some training-set sizes."""


def landscape(content: Content) -> Figure:
    """Energies on the plane, a column for each K.

    The upper row shows the learned energy, the lower row the energy of the same K training points. The last column is
    the exact energy of infinitely many points.
    """
    columns = len(content) + 1
    figure, grid = subplots(2, columns, width=PAGE, height=1.75 * PAGE / columns + 0.4, sharex=True, sharey=True)
    for (upper, lower), one in zip(grid.T, content, strict=False):
        image = _energy(upper, one.axis, one.learned)
        _energy(lower, one.axis, one.empirical)
        step = max(1, len(one.axis) // 12)
        x, y = np.meshgrid(one.axis[::step], one.axis[::step])
        arrows = one.score[::step, ::step]
        upper.quiver(x, y, arrows[..., 0], arrows[..., 1], color="white", alpha=0.6, width=0.006, scale=60)
        upper.plot(*one.samples[:300].T, ".", color="white", markersize=1, alpha=0.5)
        centres = np.array([(c["x"], c["y"]) for c in one.summary["clusters"] if c["size"] >= 2]).reshape(-1, 2)
        upper.plot(*centres.T, "+", color=COLORS["memorized"], markersize=5, markeredgewidth=0.9)
        for axes in (upper, lower):
            shown = one.points[:200]
            axes.plot(*shown.T, "o", mfc="none", mec="black", markersize=3, markeredgewidth=0.6)
        upper.set_title(f"$K$ = {one.size:,}")
    last = grid[:, -1]
    _energy(last[0], content[0].axis, content[0].infinite)
    last[0].set_title(r"$K = \infty$, exact")
    last[1].set_axis_off()
    grid[0, 0].set_ylabel("learned")
    grid[1, 0].set_ylabel("of the K points")
    figure.colorbar(image, ax=grid.ravel().tolist(), label="energy", shrink=0.8, pad=0.01)
    return figure


def _energy(axes: Axes, axis: np.ndarray, energy: np.ndarray) -> Any:
    ends = (axis[0], axis[-1], axis[0], axis[-1])
    axes.set_aspect("equal")
    axes.set_xticks([-1, 0, 1])
    axes.set_yticks([-1, 0, 1])
    return axes.imshow(energy, origin="lower", extent=ends, cmap="viridis", vmin=0, vmax=TOP, interpolation="bilinear")


def ring(content: Content) -> Figure:
    """Energy averaged over angles, against the radius.

    Three curves: learned, of the K training points, and exact for infinitely many points.
    """
    figure, (row,) = subplots(1, len(content), width=PAGE, height=2.3, sharey=True)
    for axes, one in zip(row, content, strict=True):
        for name, style, color in (
            ("infinite", "--", "black"),
            ("empirical", "-", COLORS["generalized"]),
            ("learned", "-", COLORS["memorized"]),
        ):
            profile = one.profiles[name]
            axes.plot(one.radius, profile - profile.min(), style, color=color, label=name, linewidth=1.2)
        axes.axvline(one.summary["ring_radius"], color="0.6", linewidth=0.8, linestyle=":")
        axes.set_title(f"$K$ = {one.size:,}")
        axes.set_xlabel("radius")
        axes.set_ylim(-0.02, TOP)
    row[0].set_ylabel("energy, mean over angles")
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def two_memories(content: Content) -> Figure:
    """Two memories at distance D: the energy along the line through both, and the minima of this energy (eq. 7)."""
    figure, ((left, right),) = subplots(1, 2, width=PAGE, height=2.5)
    x = np.linspace(-1, 1, 401)
    shades = np.linspace(0.15, 0.9, 5)
    for shade, u in zip(shades, (1.0, 2.0, 3.0, 6.0, 20.0), strict=True):
        energy = theory.energy(x, u, 1.0)
        color = (1 - shade, 0.35, shade)
        left.plot(x, energy - energy.min(), color=color, label=rf"$\beta D^2$ = {u:g}")
        for place in theory.minima(u, 1.0):
            left.plot(place, 0, "o", color=color, markersize=3, zorder=3)
    left.set(xlabel="position / $D$", ylabel=r"energy / $D^2$", ylim=(-0.02, 0.5))
    left.legend(handlelength=1.2)
    values = np.concatenate([np.linspace(0.2, 2, 60), np.linspace(2, 8, 400)])
    branches = np.array([(m[0], m[-1]) for m in (theory.minima(u, 1.0) for u in values)])
    for branch in branches.T:
        right.plot(values, branch, color=COLORS["memorized"])
    right.axvline(theory.MERGING, color="0.5", linestyle="--", linewidth=0.9)
    right.set(xlabel=r"$\beta D^2$", ylabel="minima / $D$", title=r"one minimum for $\beta D^2 \leq 2$")
    return figure
