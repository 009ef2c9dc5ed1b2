"""The three phases: fractions, thresholds, samples, attractors."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec, ValleyThresholds
from amdiff.figures import first_screen, phases_sentences as words, phases_tables
from amdiff.figures.browser import Browser
from amdiff.figures.gallery import Gallery
from amdiff.figures.phases import Content
from amdiff.phases.classes import CLASSES

from ..browsing import Sized, browser
from ..context import Context
from ..reservations import reservations
from ..stored_images import dataset_images, image_names, sample_images
from ..stored_tables import read_distances, read_samples, read_summaries, read_thresholds
from . import Part
from .replicates import all_runs


def phases(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Fractions with intervals, thresholds with their costs, galleries of samples, and samples to browse."""
    store = context.store
    classified = {a.params["size"]: a for a in artifact.reads["classify"]}
    summaries = read_summaries(context, classified.values())
    thresholds = [read_thresholds(context, a.parent("thresholds"), size) for size, a in classified.items()]
    samples = {size: read_samples(context, a) for size, a in classified.items()}
    train_images = dataset_images(store, artifact.parent("dataset"))
    galleries = {
        size: Gallery(samples[size], sample_images(store, a.parents["samples"]), train_images)
        for size, a in classified.items()
    }
    runs = all_runs(context, artifact, spec) if spec.replicates else None
    main = runs.summaries if runs else summaries
    content = Content(
        summaries=main,
        thresholds=thresholds,
        sweep=[read_distances(context, a.parent("neighbors")) for a in classified.values()],
        galleries=galleries,
        label=spec.neighbors.by.label,
        bandwidth=_bandwidth(next(iter(classified.values())).parent("thresholds")),
        columns=spec.panels.columns,
        neighbors=spec.panels.neighbors,
        note=first_screen.recipe(spec),
        over=runs.about if runs else "",
    )
    return Part(
        content,
        phases_tables.tables(
            summaries, thresholds, _ranked_samples(galleries, spec.panels.keep), main if runs else None
        ),
        words.headline(main, thresholds, trained=spec.trained, over=runs.words if runs else "", one_run=summaries),
        reservations(context, artifact, thresholds),
        {"samples.parquet": _joined(samples.values())},
        first_screen.lead(main, runs.words if runs else words.GIVEN if spec.trained else ""),
        [*_facts(spec, summaries, thresholds), *([("runs", runs.words)] if runs else [])],
        _browser(context, artifact, spec, galleries, {s["size"]: s for s in summaries}),
    )


def _bandwidth(thresholds: Artifact) -> float:
    """Bandwidth of the density in which the thresholds were found, by this experiment or by the one that lent them.

    It is the default bandwidth if they were found in another way.
    """
    (origin,) = thresholds.parents.get("lent", (thresholds,))
    return float(origin.params.get("bandwidth", ValleyThresholds.model_fields["bandwidth"].default))


def _joined(tables: Iterable[pa.Table]) -> bytes:
    """Join the tables of the samples of each K to one Parquet file. Returns its bytes."""
    file = io.BytesIO()
    pq.write_table(pa.concat_tables([table.unify_dictionaries() for table in tables]), file, compression="zstd")
    return file.getvalue()


def _facts(
    spec: ExperimentSpec, summaries: Sequence[dict[str, Any]], thresholds: Sequence[dict[str, Any]]
) -> list[tuple[str, str]]:
    """Facts for the first screen: number of samples, metrics, thresholds, and how robust the result is."""
    counts = sorted({s["n_samples"] for s in summaries})
    deltas = [
        f"{name} = {t[key]['value']:.3g} ({t[key]['method']})"
        for t in thresholds[:1]
        for key, name in (("delta_m", "δ_m"), ("delta_s", "δ_s"))
    ]
    others = f"; also by {', '.join(other.metric for other in spec.also)}" if spec.also else ""
    robust = first_screen.robustness(thresholds, words.most_spurious(summaries)["size"])
    several = any(len({t[key]["value"] for t in thresholds}) > 1 for key in ("delta_m", "delta_s"))
    return [
        ("samples", " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
         + (" of each model" if len(summaries) > 1 else "")),
        ("compared by", spec.neighbors.metric + others),
        ("thresholds", ", ".join(deltas) + (" at the smallest K" if several else "")),
        *((("how robust", f"{'In the first run: ' if spec.replicates else ''}{robust}"),) if robust else ()),
    ]  # fmt: skip


def _browser(
    context: Context,
    artifact: Artifact,
    spec: ExperimentSpec,
    galleries: dict[int, Gallery],
    summaries: dict[int, dict[str, Any]],
) -> Browser | None:
    """The browser of the page, with samples of every K by every metric."""
    own = spec.neighbors.metric
    sized = {size: Sized({own: gallery}, {own: summaries[size]}) for size, gallery in galleries.items()}
    others = artifact.reads.get("also", ())
    for other, summary in zip(others, read_summaries(context, others), strict=True):
        size, metric = other.params["size"], other.params["metric"]
        table = read_samples(context, other)
        sized[size].galleries[metric] = Gallery(table, galleries[size].samples, galleries[size].dataset)
        sized[size].summaries[metric] = summary

    def names(dataset: Artifact | None, rows: np.ndarray) -> list[str | None]:
        found = None if dataset is None else image_names(context.store, dataset, rows)
        return [None] * len(rows) if found is None else found.tolist()

    given = artifact.reads["samples"][0].parents.get("given", (None,))[0]
    return browser(sized, spec.panels, partial(names, given), partial(names, artifact.parent("dataset")))


def _ranked_samples(galleries: dict[int, Gallery], keep: int) -> list[tuple[int, str, int, int]]:
    """(K, class, rank, sample): up to ``keep`` of each class, the clearest cases first."""
    return [
        (size, name, rank, int(sample))
        for size, gallery in galleries.items()
        for name in CLASSES
        for rank, sample in enumerate(gallery.ranked(name)[:keep], start=1)
    ]
