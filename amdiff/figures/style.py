"""One style for all figures, and how they are saved: vector and PNG, byte-identical when drawn again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

STYLE = Path(__file__).with_name("amdiff.mplstyle")
COLUMN, PAGE = 3.3, 6.9
"""Widths in inches."""

# Okabe and Ito's colours, distinct for every kind of colour vision
COLORS = {"memorized": "#D55E00", "spurious": "#009E73", "generalized": "#0072B2"}
OLIVE, GRAY = "#8C8C00", "#7F7F7F"
"""Distances to the training set, and within the synthetic set, as in the paper's fig. 3."""
FORMATS = ("svg", "png", "pdf")
PADDING = 0.03
"""Inches around what is drawn."""


HIDDEN = "a file, not on the page"
"""Label of a figure that has nothing to show: it is saved, and left out of the page."""


def style() -> AbstractContextManager[None]:
    """The style, for as long as figures are drawn and saved; matplotlib's own settings come back after."""
    return plt.style.context(STYLE)


def save(figure: Figure, folder: Path, name: str, writer: Callable[[Path], Any]) -> None:
    """Write ``name`` in every format through ``writer``, a context manager of temporary paths; then close."""
    metadata: dict[str, dict[str, Any]] = {
        "svg": {"Date": None},
        "pdf": {"CreationDate": None},
        "png": {"Software": None},
    }
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it stays as it was laid out
    box = figure.get_tightbbox().padded(PADDING)  # once: each format would draw all to find it
    for suffix in FORMATS:
        with writer(folder / f"{name}.{suffix}") as temporary:
            figure.savefig(temporary, format=suffix, metadata=metadata[suffix], bbox_inches=box, pad_inches=0)
    plt.close(figure)


def subplots(rows: int = 1, columns: int = 1, *, width: float = COLUMN, height: float = 2.4, **options: Any) -> Any:
    """A figure and its axes, always a 2-d array; sizes in inches."""
    return plt.subplots(rows, columns, figsize=(width, height), squeeze=False, **options)


def size_axis(axes: Axes, sizes: list[int], gap: float = 0.09) -> None:
    """A logarithmic axis of training-set sizes, with a tick at each that was run, and a name where there is room.

    Names that would touch are turned, so that there is room for more.
    """
    axes.set_xscale("log")
    shown = label_values(axes.xaxis, sizes, gap)
    if shown < len(set(sizes)):
        label_values(axes.xaxis, sizes, gap / 2.5)
        axes.tick_params(axis="x", labelrotation=90)
    axes.set_xlabel("training-set size $K$")


def label_values(
    axis: Axis, values: Sequence[float], gap: float = 0.09, name: Callable[[Any], str] = "{:,}".format
) -> int:
    """Ticks of a logarithmic axis at the given values, and the number of those that are named.

    Names closer than ``gap`` of the axis' range to the one before are left out.
    """
    shown: list[float] = []
    for value in sorted(set(values)):  # leave out labels that would touch
        if not shown or value / shown[-1] > (max(values) / min(values)) ** gap:
            shown.append(value)
    axis.set_major_locator(FixedLocator(shown))
    axis.set_minor_locator(FixedLocator([value for value in values if value not in shown]))
    axis.set_minor_formatter(NullFormatter())
    axis.set_ticklabels([name(value) for value in shown])
    return len(shown)


def chosen_sizes(sizes: list[int], most: int) -> list[int]:
    """At most ``most`` of the sizes, evenly over their order, with both ends."""
    if len(sizes) <= most:
        return sizes
    return [sizes[round(i * (len(sizes) - 1) / (most - 1))] for i in range(most)]
