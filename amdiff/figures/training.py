"""Figure of the training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from .style import subplots

Content = Mapping[int, Sequence[dict[str, float]]]
"""The lines of each training's log, by K."""


def training(curves: Content) -> Figure:
    """Training loss of every model against the step. For closed-form denoisers the figure only says so."""
    figure, ((axes,),) = subplots()
    if not curves:
        axes.text(0.5, 0.5, "closed-form denoiser: nothing was trained", ha="center", va="center")
        axes.set_axis_off()
        return figure
    colors = plt.get_cmap("viridis")(np.linspace(0, 0.92, len(curves)))
    for color, (size, log) in zip(colors, sorted(curves.items()), strict=True):
        axes.plot(
            [line["step"] for line in log],
            [line["loss"] for line in log],
            color=color,
            linewidth=0.9,
            label=f"{size:,}",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("noise-prediction loss")
    if len(curves) <= 12:
        axes.legend(title="$K$", ncols=2, columnspacing=1)
    return figure
