"""Images that a text-to-image model draws for prompts, and the spectra at these images (fig. 5B and 24)."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from amdiff.phases.classes import CLASSES

from .page import Table, make_table
from .panels import rgb
from .style import COLORS, PAGE


@dataclass(frozen=True)
class Prompt:
    """A prompt, the images that were drawn for it, and the spectra at these images."""

    text: str
    candidate: str
    """The class that the configuration states for the prompt."""
    training: UInt8[np.ndarray, "c h w"] | None
    """The training image that belongs to the prompt; None where none was given."""
    images: Sequence[UInt8[np.ndarray, "c height width"]]
    """The images that were drawn, one for each seed."""
    spectra: Sequence[Float[np.ndarray, " d"]]
    """Normalised singular values times sigma_t^2, one spectrum for each seed."""


@dataclass(frozen=True)
class Row:
    """Numbers from the spectrum of one image at one noise level."""

    candidate: str
    prompt: str
    seed: int
    time: int
    """Index of the noise level."""
    mean: float | None
    """Mean of the singular values that the figure shows, times sigma_t^2; None where it shows none."""
    median: float | None
    largest: float | None
    dimension_gap: int
    dimension_threshold: int
    truncated: bool
    """Whether the prompt was too long, so that the text encoder read only its beginning."""


@dataclass(frozen=True)
class Content:
    """The prompts with their images and spectra, as the figure needs them."""

    prompts: Sequence[Prompt]
    time: int
    """Index of the noise level of the spectra."""
    skip: int
    """Number of largest singular values that the figure leaves out."""


def prompt_spectra(content: Content) -> Figure:
    """Spectra of all images, coloured by candidate class; below them the images, a row for each prompt."""
    prompts, time, skip = content.prompts, content.time, content.skip
    known = any(p.training is not None for p in prompts)
    columns = known + max(len(p.images) for p in prompts)
    side, text, top = min(1.2, (PAGE - 2.0) / columns), 2.0, 2.6
    figure = plt.figure(figsize=(PAGE, top + len(prompts) * (side + 0.08)))
    parts: Any = figure.subfigures(2, 1, height_ratios=[top, len(prompts) * (side + 0.08)])
    upper, lower = parts
    axes = upper.subplots()
    for name in CLASSES:
        for number, values in enumerate(v for p in prompts if p.candidate == name for v in p.spectra):
            kept = values[skip:]
            order = np.arange(skip + 1, skip + 1 + len(kept))
            label = f"candidate {name}" if number == 0 else None
            axes.plot(order, kept, color=COLORS[name], label=label, linewidth=1)
    axes.set_xlabel(f"order, the {skip} largest left out" if skip else "order")
    axes.set_ylabel(rf"singular value x $\sigma_t^2$, t = {time}")
    axes.set_ylim(bottom=0)
    axes.legend()
    blank = PAGE - text - columns * side
    grid = lower.subplots(
        len(prompts), columns + 2, squeeze=False, width_ratios=[text, *[side] * columns, blank + 0.01]
    )
    for row, prompt in zip(grid, prompts, strict=True):
        row[0].text(0, 0.5, textwrap.fill(prompt.text, 32, max_lines=6), fontsize=6, va="center")
        for cell in row:
            cell.set_axis_off()
        shown = [*([prompt.training] if known else []), *prompt.images]
        for number, (cell, image) in enumerate(zip(row[1:], shown, strict=False)):
            if image is not None:
                _framed(cell, image, "black" if known and number == 0 else COLORS[prompt.candidate])
    for cell, label in zip(grid[0][1:], [*(["training image"] if known else []), "drawn"], strict=False):
        cell.set_title(label, fontsize=6)
    return figure


def _framed(axes: Axes, image: UInt8[np.ndarray, "c h w"], color: str) -> None:
    axes.imshow(rgb(image), interpolation="nearest")
    axes.set_axis_on()
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=color, linewidth=1.5)


def table(rows: Sequence[Row]) -> Table:
    """The table of spectra: one row for each prompt, seed and noise level."""
    columns = ["candidate", "prompt", "seed", "t", "mean", "median", "largest", "dimension_gap", "dimension_threshold"]
    return make_table(
        "prompts",
        "Spectra",
        [*columns, "truncated"],
        [[*dataclasses.astuple(r)[:-1], int(r.truncated)] for r in rows],
        note="mean, median and largest are those of the singular values that the figure shows, times sigma_t^2. Such a "
        "value is 1 in directions where only noise decides, and 0 along the manifold of the data. truncated: 1 if the "
        "prompt was longer than what the text encoder reads.",
    )


def sentences(rows: Sequence[Row], time: int) -> list[str]:
    """Say how the candidate classes differ at the noise level with index ``time``."""
    means = {
        name: [r.mean for r in rows if r.candidate == name and r.time == time and r.mean is not None]
        for name in CLASSES
    }
    parts = [f"{name} {np.mean(v):.3g} (n = {len(v)})" for name, v in means.items() if v]
    if not parts:
        return ["All singular values are left out, since 'skip' is at least the number of values of a latent."]
    lines = [f"Mean singular value times the squared noise level at t = {time}, by candidate class: "
             f"{', '.join(parts)}."]  # fmt: skip
    if len(parts) > 1:
        present = [float(np.mean(v)) for v in means.values() if v]
        falls = all(a > b for a, b in pairwise(present))
        lines.append(
            "The means fall from class to class in this order, as they do in the paper." if falls
            else "The means do not fall from class to class in this order; in the paper they do."
        )  # fmt: skip
    return lines


def warnings(rows: Sequence[Row]) -> list[str]:
    """Sentences that a reader must know before trusting the numbers."""
    cut = sorted({r.prompt for r in rows if r.truncated})
    lines = ["The classes are candidates: they were stated with the prompts and were not measured."]
    if cut:
        lines.append(f"The text encoder read only the beginning of these prompts: {'; '.join(cut)}")
    return lines
