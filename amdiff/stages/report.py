"""Writes the report of one experiment: tables, figures and a page, from the artifacts of its other stages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import yaml
from matplotlib.figure import Figure
from pydantic import TypeAdapter

from amdiff.artifacts import Artifact
from amdiff.catalogue import FIGURES
from amdiff.config import AnyExperiment, Sweep
from amdiff.errors import ArtifactError
from amdiff.figures import first_screen
from amdiff.figures.drawing import drawn
from amdiff.figures.page import Picture, Table, render
from amdiff.figures.style import HIDDEN, save, style
from amdiff.files import atomic_file, write_bytes

from .console import say
from .context import Context
from .sections import part
from .stored_images import dataset_counts, dataset_images


def report(context: Context, artifact: Artifact, folder: Path) -> None:
    """Write tables, figures and the page of one experiment."""
    spec = TypeAdapter(AnyExperiment).validate_python(artifact.params["spec"])
    if "grid" in artifact.reads and "samples" not in artifact.reads:
        raise ArtifactError(f"{artifact.folder}: its sizes are not known yet; run snakemake, which finds them")
    if "classify" in artifact.reads:
        spec = spec.with_sizes(tuple(a.params["size"] for a in artifact.reads["classify"]))
    sections = {name: part(name, context, artifact, spec) for name in spec.sections}
    parts = list(sections.values())
    figures = (item for name, section in sections.items() for item in drawn(name, section.content))
    groups = write_figures(context, folder, figures)
    tables = [_given(table, spec, name) for name, section in sections.items() for table in section.tables]
    write_tables(folder, tables)
    for name, content in (item for section in parts for item in section.files.items()):
        write_bytes(folder / "tables" / name, content)
    dataset = context.store.record(artifact.parent("dataset"))
    warnings = [line for section in parts for line in section.warnings]
    page = render(
        browser=next((section.browser for section in parts if section.browser), None),
        title=artifact.params["experiment"],
        address=artifact.address,
        lead=next((section.lead for section in parts if section.lead), ""),
        facts=[*_facts(context, artifact, spec), *(fact for section in parts for fact in section.facts)],
        headline=[line for section in parts for line in section.headline],
        warnings=warnings,
        groups=groups,
        tables=[t for t in tables if t.on_page],
        configuration=yaml.safe_dump(
            {"dataset": dataset["params"], "experiment": _effective(spec, artifact.params["spec"])}, sort_keys=False
        ),
        provenance=provenance(context, artifact),
    )
    write_bytes(folder / "report.html", page.encode())
    for line in warnings:
        say(f"note: {artifact.params['experiment']}: {line}")


def _given(table: Table, spec: Sweep, section: str) -> Table:
    """The table with a note that its intervals hold for one training only, where it has intervals of that kind."""
    if not spec.trained or section == "replicates" or not any(name.endswith("_low") for name in table.columns):
        return table
    which = "first training" if "replicates" in spec.sections else "one training"
    others = "All other intervals" if any(name.endswith("_runs_low") for name in table.columns) else "Intervals"
    return replace(table, note=f"{table.note} {others} hold given this {which} of each model.".lstrip())


def _effective(spec: Sweep, values: dict[str, Any]) -> dict[str, Any]:
    """The settings that had an effect. If nothing was trained or sampled, the settings of these steps are left out."""
    unused = set() if spec.trained else {"training"}
    if not spec.denoiser.modelled:
        unused |= {"sampling", "diffusion", "subset_seed", "subset_order"}
    return {key: value for key, value in values.items() if key not in unused}


def _facts(context: Context, artifact: Artifact, spec: Sweep) -> list[tuple[str, str]]:
    """Dataset, training-set sizes and model, as facts (name, value) for the first screen of the page."""
    dataset = artifact.parent("dataset")
    sizes = spec.first_sizes
    if spec.holds == "images":
        train, test = dataset_counts(context.store, dataset)
        shape = dataset_images(context.store, dataset).shape[1:]
        colour = "gray" if shape[0] == 1 else "colour" if shape[0] == 3 else f"{shape[0]} channels"
        kinds = f"{train:,} training and {test:,} test images" if test else f"{train:,} images"
        data = f"{spec.dataset}: {kinds}, {shape[1]}x{shape[2]}, {colour}"
    else:
        data = f"{spec.dataset}: points on the unit circle"
    names = f"K = {sizes[0]:,}" if len(sizes) == 1 else f"K from {sizes[0]:,} to {sizes[-1]:,}, {len(sizes)} sizes"
    return [("dataset", data), ("training sets", names), ("model", first_screen.model_words(spec))]


def write_figures(context: Context, folder: Path, figures: Iterable[tuple[str, Figure]]) -> dict[str, list[Picture]]:
    """Draw and save figures, given as (name, figure), one after the other. Returns the pictures of the page by heading.

    A figure that has nothing to show is saved as a file, but it is not on the page. The names of the figures on the
    page are kept in the provenance.
    """
    shown = []
    with style():
        for name, figure in figures:
            if figure.get_label() != HIDDEN:
                shown.append(name)
            save(figure, folder / "figures", name, atomic_file)
    context.facts["shown"] = shown
    return _by_heading(folder, shown)


def shown_figures(context: Context, artifact: Artifact) -> dict[str, list[Picture]]:
    """The pictures of a finished report, by heading."""
    return _by_heading(context.store.root / artifact.folder, context.store.record(artifact)["provenance"]["shown"])


def _by_heading(folder: Path, names: Iterable[str]) -> dict[str, list[Picture]]:
    groups: dict[str, list[Picture]] = {}
    for name in names:
        groups.setdefault(FIGURES[name].group, []).append(Picture.of(FIGURES[name], folder / "figures"))
    return groups


def write_tables(folder: Path, tables: Iterable[Table]) -> None:
    """Write the tables of a page as CSV files."""
    for table in tables:
        write_bytes(folder / "tables" / f"{table.name}.csv", table.csv.encode())


def _attribute(path: Path, name: str) -> Any:
    with h5py.File(path, "r") as file:
        return file.attrs[name]


def provenance(context: Context, artifact: Artifact) -> list[tuple[str, str]]:
    """Facts (name, value) about how a report was made. Two runs of one commit on one machine give the same facts."""
    store = context.store
    source = store.record(artifact.parent("dataset"))
    now = context.provenance()
    rows = [
        ("report", artifact.folder.as_posix()),
        ("dataset", artifact.parent("dataset").folder.as_posix()),
        ("dataset source", str(_attribute(store.file(artifact.parent("dataset")), "source"))),
        ("dataset file", f"SHA-256 {source['files'][artifact.parent('dataset').file()]}"),
        ("git revision", now["git"] or "unknown"),
        ("machine", f"{now['machine']}, Python {now['python']}"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in now["libraries"].items())),
    ]
    devices = sorted({str(store.record(a)["provenance"].get("device", "?")) for a in artifact.reads["train"]})
    rows.append(("trained on", ", ".join(devices) or "nothing was trained"))
    records = (store.record(a)["provenance"] for group in artifact.reads.values() for a in group)
    fell_back = sorted({text for made in records for text in made.get("fell_back", ())})
    return [*rows, *([("done in another way", "; ".join(fell_back))] if fell_back else [])]
