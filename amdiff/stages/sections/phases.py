"""The three phases: fractions, thresholds, samples, attractors."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec, ValleyThresholds
from amdiff.figures import first_screen, pages, panels, phases as drawing
from amdiff.figures.browser import Browser
from amdiff.figures.style import COLORS
from amdiff.neighbors.embeddings import LABELS
from amdiff.phases.classes import CLASSES

from ..browsing import Sized, browser
from ..context import Context
from ..files import dataset_images, image_names, sample_images
from ..galleries import Gallery
from ..measured import TABLE, read_distances, read_summaries, read_thresholds
from ..parquet import read_parquet
from ..reservations import reservations
from . import Part


def phases(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Fractions with intervals, thresholds and what they cost, galleries of samples."""
    store = context.store
    classified = {a.params["size"]: a for a in artifact.reads["classify"]}
    summaries = read_summaries(context, classified.values())
    thresholds = [read_thresholds(context, a.parent("thresholds"), size) for size, a in classified.items()]
    sweep = [read_distances(context, a.parent("neighbors")) for a in classified.values()]
    samples = {size: read_parquet(store.file(a, TABLE)) for size, a in classified.items()}
    train_images = dataset_images(store, artifact.parent("dataset"))
    galleries = {
        size: Gallery(samples[size], sample_images(store, a.parents["samples"]), train_images)
        for size, a in classified.items()
    }

    def figures() -> Iterator[tuple[str, Figure]]:
        columns, neighbors = spec.panels.columns, spec.panels.neighbors
        peak = pages.most_spurious(summaries)["size"]
        yield "fractions", drawing.fractions(summaries)
        bandwidth = spec.thresholds.bandwidth if isinstance(spec.thresholds, ValleyThresholds) else 0.12
        d0 = thresholds[0]["d0"] or 0.5 * min(thresholds[0][d]["value"] for d in ("delta_m", "delta_s"))
        yield "distances", drawing.distances(sweep, thresholds, LABELS[spec.neighbors.metric], d0, bandwidth)
        yield "sensitivity", drawing.sensitivity(summaries, thresholds)
        for name in CLASSES:
            best = max(summaries, key=lambda s: s["fractions"][name]["value"])["size"]
            # one model for all three classes where it has enough of each, so that they compare
            size = peak if galleries[peak].variety(name) >= columns else best
            strips = galleries[size].strips(galleries[size].clearest(name, columns), neighbors)
            yield f"panel_{name}", panels.panel(strips, COLORS[name], f"{name}, K = {size:,}")
        entry = next(t for t in thresholds if t["size"] == peak)
        chosen = galleries[peak].borderline(entry["delta_m"]["value"], entry["delta_s"]["value"])
        yield (
            "borderline",
            panels.panel(galleries[peak].strips(chosen, neighbors), "black", _borderline_title(peak, entry)),
        )
        visited = max(summaries, key=_most_visited)
        rows = galleries[visited["size"]].attractors(visited["attractors"]["table"], most=8, visits=12)
        yield "attractors", panels.attractor_panel(rows, f"spurious attractors, K = {visited['size']:,}")

    table = io.BytesIO()
    pq.write_table(pa.concat_tables([t.unify_dictionaries() for t in samples.values()]), table, compression="zstd")
    return Part(
        figures,
        pages.tables(summaries, thresholds, _ranked_samples(galleries, spec.panels.keep)),
        pages.headline(summaries, thresholds),
        reservations(context, artifact, thresholds),
        {"samples.parquet": table.getvalue()},
        first_screen.lead(summaries),
        _facts(spec, summaries, thresholds),
        _browser(context, artifact, spec, galleries, {s["size"]: s for s in summaries}),
    )


def _facts(
    spec: ExperimentSpec, summaries: Sequence[dict[str, Any]], thresholds: Sequence[dict[str, Any]]
) -> list[tuple[str, str]]:
    """By what samples were compared and sorted, and what that decides."""
    counts = sorted({s["n_samples"] for s in summaries})
    deltas = [
        f"{name} = {t[key]['value']:.3g} ({t[key]['method']})"
        for t in thresholds[:1]
        for key, name in (("delta_m", "δ_m"), ("delta_s", "δ_s"))
    ]
    others = f"; also by {', '.join(other.metric for other in spec.also)}" if spec.also else ""
    several = any(len({t[key]["value"] for t in thresholds}) > 1 for key in ("delta_m", "delta_s"))
    return [
        ("samples", " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
         + (" of each model" if len(summaries) > 1 else "")),
        ("compared by", spec.neighbors.metric + others),
        ("thresholds", ", ".join(deltas) + (" at the smallest K" if several else "")),
        *((("how robust", robust),) if (robust := first_screen.robustness(thresholds)) else ()),
    ]  # fmt: skip


def _browser(
    context: Context,
    artifact: Artifact,
    spec: ExperimentSpec,
    galleries: dict[int, Gallery],
    summaries: dict[int, dict[str, Any]],
) -> Browser | None:
    """Samples of every K by every metric."""
    own = spec.neighbors.metric
    sized = {size: Sized({own: gallery}, {own: summaries[size]}) for size, gallery in galleries.items()}
    others = artifact.reads.get("also", ())
    for other, summary in zip(others, read_summaries(context, others), strict=True):
        size, metric = other.params["size"], other.params["metric"]
        table = read_parquet(context.store.file(other, TABLE))
        sized[size].galleries[metric] = Gallery(table, galleries[size].samples, galleries[size].dataset)
        sized[size].summaries[metric] = summary

    def names(dataset: Artifact | None, rows: np.ndarray) -> list[str | None]:
        found = None if dataset is None else image_names(context.store, dataset, rows)
        return [None] * len(rows) if found is None else found.tolist()

    given = artifact.reads["samples"][0].parents.get("given", (None,))[0]
    return browser(sized, spec.panels, partial(names, given), partial(names, artifact.parent("dataset")))


def _most_visited(summary: dict[str, Any]) -> int:
    """Visits to the largest spurious attractor."""
    return max((a["size"] for a in summary["attractors"]["table"] if a["kind"] == "spurious"), default=0)


def _borderline_title(size: int, entry: dict[str, Any]) -> str:
    m, s = entry["delta_m"]["value"], entry["delta_s"]["value"]
    return f"nearest to the thresholds ({m:.2g} to S, {s:.2g} to S′), K = {size:,}"


def _ranked_samples(galleries: dict[int, Gallery], keep: int) -> list[tuple[int, str, int, int]]:
    """(K, class, rank, sample): up to ``keep`` of each class, the clearest cases first."""
    return [
        (size, name, rank, int(sample))
        for size, gallery in galleries.items()
        for name in CLASSES
        for rank, sample in enumerate(gallery.ranked(name)[:keep], start=1)
    ]
