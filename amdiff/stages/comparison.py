"""Compares experiments side by side: shares, capacity, and the paper's tables 1-3, from the experiments' reports."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec, GridSpec
from amdiff.errors import AmdiffError
from amdiff.figures import comparison as drawing
from amdiff.figures.drawing import drawn
from amdiff.figures.page import render
from amdiff.files import write_bytes
from amdiff.phases.classes import CLASSES
from amdiff.phases.transition import find_transition

from .context import Context
from .convert import converted_parameters
from .report import write_figures, write_tables
from .stored_images import dataset_counts, dataset_images


def comparison(context: Context, artifact: Artifact, folder: Path) -> None:
    """Write tables, figures and the page of a comparison."""
    rows = [_side(context, report) for report in artifact.parents["reports"]]

    pictures = write_figures(context, folder, drawn("comparison", rows))
    tables = drawing.tables(rows)
    write_tables(folder, tables)
    sentences = drawing.sentences(rows)
    page = render(
        title=artifact.params["comparison"],
        address=artifact.address,
        lead=sentences[0] if sentences else "",
        headline=sentences[1:],
        warnings=drawing.warnings(rows),
        groups=pictures,
        tables=tables,
        configuration="experiments:\n" + "".join(f"- {name}\n" for name in artifact.params["experiments"]),
        provenance=[(row.name, report.folder.as_posix()) for row, report in
                    zip(rows, artifact.parents["reports"], strict=True)],
    )  # fmt: skip
    write_bytes(folder / "report.html", page.encode())


def _side(context: Context, report: Artifact) -> drawing.Side:
    """Read what a comparison shows about one experiment."""
    from amdiff.diffusion.denoisers import count_parameters

    spec = TypeAdapter(ExperimentSpec).validate_python(report.params["spec"])
    dataset = report.parent("dataset")
    images = dataset_images(context.store, dataset)
    if models := report.parents.get("convert"):
        parameters = converted_parameters(context.store, models[0])
    else:
        parameters = count_parameters(spec.denoiser, images.shape[1:], spec.diffusion.steps)
    shares = [over_all_runs(row) for row in _read(context, report, "fractions.csv")]
    sizes = [int(row["K"]) for row in shares]
    try:
        fallen = spec.sizes.fallen if isinstance(spec.sizes, GridSpec) else GridSpec.model_fields["fallen"].default
        transition = find_transition(sizes, [float(row["memorized"]) for row in shares], fallen)
    except AmdiffError:
        transition = None
    return drawing.Side(
        report.params["experiment"],
        spec,
        parameters=parameters,
        images=dataset_counts(context.store, dataset)[0],
        shape=images.shape[1:],
        shares=shares,
        thresholds=_read(context, report, "thresholds.csv"),
        transition=transition,
    )


def over_all_runs(row: dict[str, Any]) -> dict[str, Any]:
    """A row of fractions.csv with the shares over all runs, where there are several, in place of those of the first."""
    ends = ("", "_low", "_high")
    runs = {f"{name}{end}": row[f"{name}_runs{end}"] for name in CLASSES for end in ends if f"{name}_runs" in row}
    return {**row, **runs}


def _read(context: Context, report: Artifact, name: str) -> list[dict[str, Any]]:
    """Read the rows of one table of a report."""
    text = context.store.path(report, f"tables/{name}").read_text()
    return list(csv.DictReader(io.StringIO(text)))
