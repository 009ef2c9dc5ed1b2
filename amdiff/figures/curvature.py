"""Curvature of the energy against K (fig. 5A, 20-23): figures and the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from amdiff.landscape.findings import RESOLVED, DimensionFinding
from amdiff.landscape.targets import GROUPS
from amdiff.phases.classes import CLASSES

from .curves import curves, ends, foot, triple
from .page import Table, make_table
from .style import COLORS, PAGE, chosen_sizes, legend_of_all, size_axis, subplots

ByTime = Mapping[int, Mapping[str, Mapping[int, DimensionFinding]]]
"""Findings by noise level, class and K."""


@dataclass(frozen=True)
class Content:
    """The spectra of a sweep at one noise level, and its dimensions at several noise levels."""

    spectra: Mapping[int, Mapping[str, Float[np.ndarray, "n d"]]]
    """Normalised singular values of n targets, by K and class; in decreasing order."""
    found: ByTime
    """Dimensions."""
    time: int
    """Index of the noise level of the spectra."""
    sigma: float
    """Standard deviation of the noise at this level."""
    skip: int
    """Number of largest singular values that the figures leave out."""
    sizes: list[int]
    """Every K of the sweep."""
    note: str
    """Says which classes are left out at which K; may be empty."""


def spectra(content: Content) -> Figure:
    """Spectra of each class for several K: mean and standard deviation, without the largest values."""
    found, sigma, skip = content.spectra, content.sigma, content.skip
    sizes = chosen_sizes(sorted(found), 4)
    figure, (grid,) = subplots(1, len(sizes), width=PAGE, height=2.4, sharey=True)
    for axes, size in zip(grid, sizes, strict=True):
        for name in CLASSES:
            if name not in found[size]:
                continue
            values = found[size][name][:, skip:] * sigma**2
            order = np.arange(skip + 1, skip + 1 + values.shape[1])
            mean, std = values.mean(axis=0), values.std(axis=0)
            axes.fill_between(order, mean - std, mean + std, color=COLORS[name], alpha=0.2, linewidth=0)
            axes.plot(order, mean, color=COLORS[name], label=name)
        axes.set_title(f"$K$ = {size:,}")
        axes.set_xlabel("order")
        axes.set_ylim(bottom=0)
    grid[0].set_ylabel(rf"singular value x $\sigma_t^2$, t = {content.time}")
    legend_of_all(figure, grid, columns=3)
    foot(figure, content.note)
    return figure


def spectra_train(content: Content) -> Figure:
    """Mean spectra at training points, coloured by K from purple (small) to red (large)."""
    found, sigma, skip = content.spectra, content.sigma, content.skip
    figure, ((axes,),) = subplots(height=3.0)
    colors = plt.get_cmap("rainbow")(np.linspace(0, 1, len(found)))
    for color, (size, groups) in zip(colors, sorted(found.items()), strict=True):
        values = groups["train"][:, skip:].mean(axis=0) * sigma**2
        axes.plot(np.arange(skip + 1, skip + 1 + len(values)), values, color=color, label=f"{size:,}")
    axes.set(xlabel="order", ylabel=rf"singular value x $\sigma_t^2$, t = {content.time}")
    axes.set_ylim(bottom=0)
    if len(found) <= 16:
        figure.legend(title="$K$", loc="outside upper center", ncols=4, columnspacing=1)
    return figure


def dimension(content: Content) -> Figure:
    """Both estimates of the dimension against K, at every noise level. Open symbols are not resolved."""
    figure, grid = subplots(
        len(content.found), 2, width=PAGE, height=1.7 * len(content.found) + 0.8, sharey=True, sharex=True
    )
    for (left, right), (time, found) in zip(grid, content.found.items(), strict=True):
        doubted = {(name, k) for name, rows in found.items() for k, f in rows.items() if not f.resolved}
        curves(left, {name: {k: f.by_gap for k, f in rows.items()} for name, rows in found.items()}, doubted)
        curves(right, {name: {k: f.by_threshold for k, f in rows.items()} for name, rows in found.items()}, doubted)
        for axes, title in ((left, "by the largest gap"), (right, "by threshold")):
            size_axis(axes, content.sizes, gap=0.15)
            axes.set_title(f"{title}, t = {time}")
        left.set_ylabel("dimension")
    for axes in grid[:-1].flat:
        axes.set_xlabel("")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    foot(figure, content.note)
    return figure


def unresolved(found: ByTime) -> list[str]:
    """Say at which noise levels and K the model does not resolve the noise, so that dimensions mean nothing."""
    lines = []
    for time, groups in found.items():
        told = [(k, f.contraction) for rows in groups.values() for k, f in rows.items()]
        lowest = [(k, f.contraction_low) for rows in groups.values() for k, f in rows.items()]
        if any(contraction is None for _, contraction in told):
            lines.append(
                f"Dimensions at t = {time} cannot be checked, since no direction is known in which the data do not "
                "vary. They are marked as unresolved."
            )
        elif blurred := [(k, c) for k, c in lowest if c is not None and c < RESOLVED]:
            sizes = ", ".join(f"{k:,}" for k in sorted({k for k, _ in blurred}))
            lines.append(
                f"At t = {time} the model does not resolve the noise at K = {sizes}: where the data do not vary, its "
                f"score should contract to 1, but at a tenth of the targets of some class it contracts to at most "
                f"{min(c for _, c in blurred):.2f}. "
                "Dimensions there are marked as unresolved."
            )
    return lines


def curvature_table(found: ByTime) -> Table:
    """Dimensions of each class and K, at every noise level."""
    rows = [
        [k, g, t, f.n, *ends(f.by_gap), *ends(f.by_threshold), f.contraction, int(f.resolved), f.contraction_low]
        for t, groups in found.items()
        for g in GROUPS
        for k, f in sorted(groups.get(g, {}).items())
    ]
    columns = [
        "K", "class", "t", "n", *triple("dimension_gap"), *triple("dimension_threshold"), "contraction", "resolved",
        "contraction_low",
    ]  # fmt: skip
    return make_table(
        "curvature", "Dimension of the learned manifold", columns, rows,
        note="Means over targets. dimension_gap: number of singular values behind the largest gap; "
        "dimension_threshold: number of singular values below the threshold. contraction: how strongly the score "
        "contracts where the data do not vary, on average; contraction_low: the value that nine tenths of the targets "
        "reach; resolved: 1 if this is at least 0.9, so that the dimension can be told. "
        "The files curvature.h5 of the artifacts hold the spectra.",
    )  # fmt: skip
