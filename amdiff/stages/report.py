"""The report of one experiment: tables, figures and a page, from what its other stages wrote."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import yaml
from matplotlib.figure import Figure
from pydantic import TypeAdapter

from amdiff.artifacts import Artifact
from amdiff.config import AnyExperiment, ExperimentSpec
from amdiff.figures import pages
from amdiff.figures.page import Picture, Table, render
from amdiff.figures.style import save, style
from amdiff.files import ArtifactError, atomic_file, write_bytes
from amdiff.plan import FIGURES, sections_of

from .context import Context, say
from .files import IMAGES
from .sections import part

RASTER = ("panel_", "borderline", "attractors", "recovery", "basin_choice", "prompt_spectra")
"""Figures made of images: PNG on the page, where SVG would be larger."""


def report(context: Context, artifact: Artifact, folder: Path) -> None:
    """Write tables, figures and the page of one experiment."""
    spec = TypeAdapter(AnyExperiment).validate_python(artifact.params["spec"])
    if isinstance(spec, ExperimentSpec):
        if "classify" not in artifact.reads:
            raise ArtifactError(f"{artifact.folder}: its sizes are still to be found; run snakemake, which finds them")
        spec = spec.with_sizes(tuple(a.params["size"] for a in artifact.reads["classify"]))
    parts = [part(name, context, artifact, spec) for name in sections_of(spec)]
    groups = write_figures(folder, (item for section in parts for item in section.figures()))
    tables = [table for section in parts for table in section.tables]
    write_tables(folder, tables)
    for name, content in (item for section in parts for item in section.files.items()):
        write_bytes(folder / "tables" / name, content)
    dataset = context.store.record(artifact.parent("dataset"))
    warnings = [line for section in parts for line in section.warnings]
    page = render(
        browser=next((section.browser for section in parts if section.browser), None),
        title=artifact.params["experiment"],
        address=artifact.address,
        headline=[line for section in parts for line in section.headline],
        warnings=warnings,
        groups=groups,
        tables=[t for t in tables if t.on_page],
        configuration=yaml.safe_dump(
            {"dataset": dataset["params"], "experiment": artifact.params["spec"]}, sort_keys=False
        ),
        provenance=_provenance(context, artifact),
    )
    write_bytes(folder / "report.html", page.encode())
    for line in warnings:
        say(f"note: {artifact.params['experiment']}: {line}")


def write_figures(folder: Path, figures: Iterable[tuple[str, Figure]]) -> dict[str, list[Picture]]:
    """Draw and save figures, (name, figure) each, one after the other; the pictures of a page, by heading."""
    groups: dict[str, list[Picture]] = {}
    with style():
        for name, figure in figures:
            save(figure, folder / "figures", name, atomic_file)
            kind, suffix = ("png", "png") if name.startswith(RASTER) else ("svg+xml", "svg")
            data = (folder / "figures" / f"{name}.{suffix}").read_bytes()
            groups.setdefault(FIGURES[name], []).append(Picture(name, pages.TITLES[name], data, kind))
    return groups


def write_tables(folder: Path, tables: Iterable[Table]) -> None:
    """Tables of a page as CSV files."""
    for table in tables:
        write_bytes(folder / "tables" / f"{table.name}.csv", table.csv.encode())


def _attribute(path: Path, name: str) -> Any:
    with h5py.File(path, "r") as file:
        return file.attrs[name]


def _provenance(context: Context, artifact: Artifact) -> list[tuple[str, str]]:
    """Who made it with what: nothing that differs between two runs of one commit on one machine."""
    store = context.store
    source = store.record(artifact.parent("dataset"))
    now = context.provenance()
    rows = [
        ("report", artifact.folder.as_posix()),
        ("dataset", artifact.parent("dataset").folder.as_posix()),
        ("dataset source", str(_attribute(store.file(artifact.parent("dataset"), IMAGES), "source"))),
        ("dataset file", f"SHA-256 {source['files']['images.h5']}"),
        ("git revision", now["git"] or "unknown"),
        ("machine", f"{now['machine']}, Python {now['python']}"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in now["libraries"].items())),
    ]
    devices = sorted({str(store.record(a)["provenance"].get("device", "?")) for a in artifact.reads["train"]})
    return [*rows, ("trained on", ", ".join(devices) or "nothing was trained")]
