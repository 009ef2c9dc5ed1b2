"""The report of one experiment: tables, figures and a page, from what its other stages wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from matplotlib.figure import Figure

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec, ValleyThresholds
from amdiff.figures import pages, panels, phases
from amdiff.figures.page import Picture, render
from amdiff.figures.style import COLORS, save, style
from amdiff.files import atomic_file, read_json, write_bytes
from amdiff.neighbors.embeddings import EMBEDDINGS
from amdiff.phases.classes import CLASSES
from amdiff.phases.thresholds import Distances
from amdiff.plan import FIGURES

from .context import Context
from .files import IMAGES, dataset_images, sample_images
from .galleries import Gallery
from .measures import SUMMARY, TABLE, read_distances, read_thresholds
from .models import METRICS

RASTER = ("panel_", "borderline", "attractors")
"""Figures made of images: PNG on the page, where SVG would be larger."""


def report(context: Context, artifact: Artifact, folder: Path) -> None:
    """Write tables, figures and the page of one experiment."""
    store = context.store
    spec = ExperimentSpec.model_validate(artifact.params["spec"])
    classified = {a.params["size"]: a for a in artifact.parents["classify"]}
    summaries = [read_json(store.file(a, SUMMARY)) for a in classified.values()]
    thresholds = [read_thresholds(context, a.parent("thresholds"), size) for size, a in classified.items()]
    sweep = [read_distances(context, a.parent("neighbors")) for a in classified.values()]
    samples = {size: pq.read_table(store.file(a, TABLE)) for size, a in classified.items()}
    curves = {a.params["size"]: _metrics(store.file(a, METRICS)) for a in artifact.parents["train"]}
    train_images = dataset_images(store, artifact.parent("dataset"))
    galleries = {
        size: Gallery(samples[size], sample_images(store, a.parents["samples"]), train_images)
        for size, a in classified.items()
    }

    with style():
        for name, figure in _figures(spec, summaries, thresholds, sweep, curves, galleries):
            save(figure, folder / "figures", name, atomic_file)
    tables = pages.tables(summaries, thresholds, _ranked_samples(galleries, spec.panels.keep))
    for table in tables:
        write_bytes(folder / "tables" / f"{table.name}.csv", table.csv.encode())
    with atomic_file(folder / "tables" / "samples.parquet") as temporary:
        pq.write_table(
            pa.concat_tables([t.unify_dictionaries() for t in samples.values()]), temporary, compression="zstd"
        )

    groups: dict[str, list[Picture]] = {}
    for name, group in FIGURES.items():
        kind, suffix = ("png", "png") if name.startswith(RASTER) else ("svg+xml", "svg")
        data = (folder / "figures" / f"{name}.{suffix}").read_bytes()
        groups.setdefault(group, []).append(Picture(name, pages.TITLES[name], data, kind))
    dataset = store.record(artifact.parent("dataset"))
    page = render(
        title=artifact.params["experiment"],
        address=artifact.address,
        headline=pages.headline(summaries, thresholds),
        warnings=pages.warnings(thresholds, dataset["provenance"].get("images", {})),
        groups=groups,
        tables=[t for t in tables if t.name != "panels"],
        configuration=yaml.safe_dump(
            {"dataset": dataset["params"], "experiment": artifact.params["spec"]}, sort_keys=False
        ),
        provenance=_provenance(context, artifact),
    )
    write_bytes(folder / "report.html", page.encode())


def _figures(
    spec: ExperimentSpec,
    summaries: list[dict[str, Any]],
    thresholds: list[dict[str, Any]],
    sweep: list[Distances],
    curves: dict[int, list[dict[str, float]]],
    galleries: dict[int, Gallery],
) -> Iterator[tuple[str, Figure]]:
    """Every figure of ``FIGURES``, drawn one after the other."""
    columns, neighbors = spec.panels.columns, spec.panels.neighbors
    peak = max(summaries, key=lambda s: s["fractions"]["spurious"]["value"])["size"]
    yield "fractions", phases.fractions(summaries)
    bandwidth = spec.thresholds.bandwidth if isinstance(spec.thresholds, ValleyThresholds) else 0.12
    d0 = thresholds[0]["d0"] or 0.5 * min(thresholds[0][d]["value"] for d in ("delta_m", "delta_s"))
    yield "distances", phases.distances(sweep, thresholds, EMBEDDINGS[spec.neighbors.metric].label, d0, bandwidth)
    yield "sensitivity", phases.sensitivity(summaries, thresholds)
    for name in CLASSES:
        best = max(summaries, key=lambda s: s["fractions"][name]["value"])["size"]
        # one model for all three classes where it has enough of each, so that they compare
        size = peak if galleries[peak].variety(name) >= columns else best
        strips = galleries[size].strips(galleries[size].clearest(name, columns), neighbors)
        yield f"panel_{name}", panels.panel(strips, COLORS[name], f"{name}, K = {size:,}")
    entry = next(t for t in thresholds if t["size"] == peak)
    chosen = galleries[peak].borderline(entry["delta_m"]["value"], entry["delta_s"]["value"])
    yield "borderline", panels.panel(galleries[peak].strips(chosen, neighbors), "black", _borderline_title(peak, entry))
    visited = max(summaries, key=lambda s: max((a["size"] for a in s["attractors"]["table"] if a["kind"] == "spurious"),
                                               default=0))  # fmt: skip
    rows = galleries[visited["size"]].attractors(visited["attractors"]["table"], most=8, visits=12)
    yield "attractors", panels.attractor_panel(rows, f"spurious attractors, K = {visited['size']:,}")
    yield "training", phases.training(curves)


def _borderline_title(size: int, entry: dict[str, Any]) -> str:
    m, s = entry["delta_m"]["value"], entry["delta_s"]["value"]
    return f"nearest to the thresholds ({m:.2f} to S, {s:.2f} to S′), K = {size:,}"


def _ranked_samples(galleries: dict[int, Gallery], keep: int) -> list[tuple[int, str, int, int]]:
    """(K, class, rank, sample): up to ``keep`` of each class, the clearest cases first."""
    return [
        (size, name, rank, int(sample))
        for size, gallery in galleries.items()
        for name in CLASSES
        for rank, sample in enumerate(gallery.ranked(name)[:keep], start=1)
    ]


def _metrics(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


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
    devices = sorted({str(store.record(a)["provenance"].get("device", "?")) for a in artifact.parents["train"]})
    return [*rows, ("trained on", ", ".join(devices) or "nothing was trained")]
