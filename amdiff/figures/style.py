"""The style of all figures. They are saved as SVG, PDF and PNG, byte-identical when they are drawn again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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

from amdiff.catalogue import FORMATS

STYLE = Path(__file__).with_name("amdiff.mplstyle")
COLUMN, PAGE = 3.3, 6.9
"""Widths in inches."""

# Okabe and Ito's colours, distinct for every kind of colour vision
COLORS = {"memorized": "#D55E00", "spurious": "#009E73", "generalized": "#0072B2"}
OLIVE, GRAY = "#8C8C00", "#7F7F7F"
"""Colours of distances to the training set and of distances within the synthetic set, as in the paper's fig. 3."""
PADDING = 0.03
"""Margin around a figure, in inches."""


HIDDEN = "a file, not on the page"
"""Label of a figure that has nothing to show. It is saved, but left out of the page."""


def style() -> AbstractContextManager[None]:
    """A context in which figures are drawn and saved in this style; it restores matplotlib's settings at its end."""
    return plt.style.context(STYLE)


def save(figure: Figure, folder: Path, name: str, writer: Callable[[Path], Any]) -> None:
    """Write the figure to ``folder`` as ``name`` in every format, then close it.

    ``writer`` takes a path and returns a context manager, which gives a temporary path to write to.
    """
    metadata: dict[str, dict[str, Any]] = {
        "svg": {"Date": None},
        "pdf": {"CreationDate": None},
        "png": {"Software": None},
    }
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # keeps the layout as it is
    box = figure.get_tightbbox().padded(PADDING)  # computed once, since each format would draw everything for it
    for suffix in FORMATS:
        with writer(folder / f"{name}.{suffix}") as temporary:
            figure.savefig(temporary, format=suffix, metadata=metadata[suffix], bbox_inches=box, pad_inches=0)
    plt.close(figure)


def subplots(rows: int = 1, columns: int = 1, *, width: float = COLUMN, height: float = 2.4, **options: Any) -> Any:
    """Return a figure and its axes, which are always a 2-d array.

    Parameters
    ----------
    rows, columns
        Size of the grid. Default 1 each.
    width, height
        Size of the figure in inches. Default 3.3 and 2.4.
    options
        Further arguments of ``matplotlib.pyplot.subplots``.
    """
    return plt.subplots(rows, columns, figsize=(width, height), squeeze=False, **options)


def legend_of_all(figure: Figure, axes: Iterable[Axes], columns: int) -> None:
    """Put one legend above a figure, with each label once that any of its ``axes`` has."""
    handles = {label: h for one in axes for h, label in zip(*one.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=columns)


def size_axis(axes: Axes, sizes: list[int], gap: float = 0.09) -> None:
    """Set up a logarithmic x axis of training-set sizes, with a tick at each of ``sizes``.

    A tick has a label where there is room for it, see ``label_values``. If there is not room for all labels, they are
    turned by 90 degrees, so that more of them fit.
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
    """Set ticks of a logarithmic axis at the given values, and return how many of them have a label.

    ``gap`` is a share of the axis' range: a label closer than this to the one before is left out. ``name`` makes the
    label of a value.
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
    """At most ``most`` of the sizes: both ends, and evenly spaced ones between them."""
    if len(sizes) <= most:
        return sizes
    return [sizes[round(i * (len(sizes) - 1) / (most - 1))] for i in range(most)]
