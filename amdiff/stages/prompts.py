"""Writes the page about some prompts: the images that were drawn for them, and their spectra."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

from amdiff.artifacts import Artifact
from amdiff.config import LatentSpectrumSpec, PromptsSpec
from amdiff.data.digests import digest_files
from amdiff.data.pictures import decode
from amdiff.errors import DataError
from amdiff.figures import prompts as drawing
from amdiff.figures.drawing import drawn
from amdiff.figures.page import render
from amdiff.files import read_json, write_bytes
from amdiff.landscape.spectra import dimension_by_gap, dimension_by_threshold

from .context import Context
from .hdf5 import read_h5
from .report import write_figures, write_tables


@dataclass(frozen=True)
class _Drawn:
    """What is stored for one prompt and seed."""

    prompt: str
    seed: int
    image: np.ndarray
    """The image that was drawn, uint8 (3, H, W)."""
    truncated: bool
    """Whether the prompt was too long and was cut."""
    sigma: dict[int, float]
    """Noise level at each time."""
    normalised: dict[int, np.ndarray]
    """Normalised singular values at each time."""


def prompts(context: Context, artifact: Artifact, folder: Path) -> None:
    """Write the table, the figures and the page of some prompts."""
    spec = context.config.prompts[artifact.subject]
    found = list(_read(context, artifact))
    pictures = _training_images(artifact, spec)
    first = spec.spectrum.times[0]
    shown = [
        drawing.Prompt(
            prompt.text,
            prompt.candidate,
            pictures.get(prompt.text),
            [one.image for one in found if one.prompt == prompt.text],
            [one.normalised[first] * one.sigma[first] ** 2 for one in found if one.prompt == prompt.text],
        )
        for prompt in spec.prompts
    ]
    candidates = {prompt.text: prompt.candidate for prompt in spec.prompts}
    rows = [
        drawing.Row(
            candidates[one.prompt],
            one.prompt,
            one.seed,
            at,
            **_measures(values, one.sigma[at], spec.spectrum),
            truncated=one.truncated,
        )
        for one in found
        for at, values in one.normalised.items()
    ]

    content = drawing.Content(shown, first, spec.spectrum.skip)
    groups = write_figures(context, folder, drawn("prompts", content))
    tables = [drawing.table(rows)]
    write_tables(folder, tables)
    files = read_json(context.store.file(artifact.parent("pipeline")))["sha256"]
    notes = context.store.record(artifact.parent("pipeline"))["provenance"].get("notes", ())
    sentences = drawing.sentences(rows, first)
    page = render(
        title=artifact.subject,
        address=artifact.address,
        lead=sentences[0] if sentences else "",
        headline=sentences[1:],
        warnings=[*drawing.warnings(rows), *(f"Pipeline: {note}." for note in notes)],
        groups=groups,
        tables=tables,
        configuration=yaml.safe_dump({"prompts": artifact.params["spec"]}, sort_keys=False),
        provenance=[
            ("page", artifact.folder.as_posix()),
            ("pipeline", artifact.parent("pipeline").folder.as_posix()),
            *((name, f"SHA-256 {digest}") for name, digest in files.items()),
        ],
    )
    write_bytes(folder / "report.html", page.encode())


def _read(context: Context, artifact: Artifact) -> Iterator[_Drawn]:
    for source, spectrum in zip(artifact.parents["generate"], artifact.parents["spectra"], strict=True):
        path = context.store.file(source)
        with h5py.File(path, "r") as file:
            image, truncated = file["image"][:], bool(file.attrs["truncated"])
        times, sigma = read_h5(context.store.file(spectrum), "times", "sigma")
        names = [f"normalised/t{t:05d}" for t in times.tolist()]
        values = read_h5(context.store.file(spectrum), *names)
        yield _Drawn(
            source.params["prompt"],
            source.params["seed"],
            image,
            truncated,
            dict(zip(times.tolist(), sigma.tolist(), strict=True)),
            dict(zip(times.tolist(), values, strict=True)),
        )


def _measures(values: np.ndarray, sigma: float, spec: LatentSpectrumSpec) -> dict[str, Any]:
    """Numbers that describe a normalised spectrum."""
    kept = values[spec.skip :] * sigma**2 if len(values) > spec.skip else values[:0]
    return {
        "mean": float(kept.mean()) if len(kept) else None,
        "median": float(np.median(kept)) if len(kept) else None,
        "largest": float(kept[0]) if len(kept) else None,
        "dimension_gap": int(dimension_by_gap(values[None])[0]),
        "dimension_threshold": int(dimension_by_threshold(values[None], sigma, spec.threshold)[0]),
    }


def _training_images(artifact: Artifact, spec: PromptsSpec) -> dict[str, np.ndarray]:
    """The training images that are given for prompts, uint8 (3, H, W). Raises ``DataError`` if one has changed."""
    found = {}
    for prompt in spec.prompts:
        if prompt.image is None:
            continue
        if digest_files([("image", prompt.image)], {}) != artifact.params["images"][prompt.text]:
            raise DataError(f"{prompt.image} has changed since this run started; run snakemake again")
        found[prompt.text] = decode(str(prompt.image), prompt.image, 3)
    return found
