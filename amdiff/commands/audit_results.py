"""The results of an audit, as tables and as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

import amdiff
from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec
from amdiff.files import atomic_file, read_json
from amdiff.phases.classes import CLASSES as CLASSES, MEMORIZED, class_numbers
from amdiff.phases.copying import disagreements
from amdiff.phases.distances import Pair
from amdiff.phases.intervals import Estimate, wilson
from amdiff.phases.plausibility import implausible_sentence
from amdiff.phases.uncertainty import fold
from amdiff.plan import ExperimentPlan
from amdiff.stages.context import Context
from amdiff.stages.parquet import read_parquet
from amdiff.stages.reservations import reservations
from amdiff.stages.stored_images import image_names
from amdiff.stages.stored_tables import read_samples, read_thresholds, threshold_pair


@dataclass(frozen=True)
class ByMetric:
    """The samples, classified by one metric."""

    table: pa.Table
    """One row for each sample."""
    summary: dict[str, Any]
    """Results of the stage ``classify``."""
    entry: dict[str, Any]
    """Results of the stage ``thresholds``."""

    @property
    def pair(self) -> Pair:
        """Both thresholds."""
        return threshold_pair(self.entry)

    @property
    def nearest(self) -> np.ndarray:
        """Distance of each sample to its nearest training image."""
        return self.table["train_distance_1"].to_numpy()

    def as_json(self) -> dict[str, Any]:
        """Shares and thresholds, as plain data."""
        return {
            **{name: self._share(name) for name in CLASSES},
            "thresholds": {
                name: {key: self.entry[name][key] for key in ("value", "low", "high", "method", "note")}
                for name in ("delta_m", "delta_s")
            },
        }

    def _share(self, name: str) -> dict[str, float]:
        folded, given = self.summary["fractions"][name], self.summary["given_thresholds"][name]
        return {
            "fraction": folded["value"],
            "low": folded["low"],
            "high": folded["high"],
            "low_given_thresholds": given["low"],
            "high_given_thresholds": given["high"],
        }


@dataclass(frozen=True)
class Found:
    """The results of an audit. The first metric decides."""

    metrics: dict[str, ByMetric]
    """Results by metric."""
    samples: pa.Table
    """One row for each sample, with file names and the field's other measures of copying."""
    peers: dict[str, Any]
    """The field's other measures of copying, over all samples."""
    reservations: list[str]
    """Sentences that limit the trust in the thresholds, the images and the model."""
    train_files: np.ndarray | None
    """Names of the files of all training images; None where they have none."""

    @property
    def first(self) -> ByMetric:
        """Results by the metric that decides."""
        return next(iter(self.metrics.values()))

    @property
    def copies(self) -> pa.Table:
        """The memorized samples, those nearest to a training image first."""
        memorized = pa.array(class_numbers(self.samples["class"].to_pylist()) == MEMORIZED)
        table = self.samples.filter(memorized).sort_by("train_distance_1")
        columns = ("index", "file", "train_neighbor_1", "train_file_1", "train_distance_1")
        return table.select([name for name in columns if name in table.column_names])

    @cached_property
    def suspected(self) -> Estimate:
        """Share of samples that any metric calls memorized. The interval includes the errors of the thresholds."""
        thresholds = [by.pair.delta_m for by in self.metrics.values()]
        distances = np.stack([by.nearest for by in self.metrics.values()])

        def share(deltas: Any) -> float:
            return float((distances <= np.array(deltas)[:, None]).any(axis=0).mean())

        value = share([t.value for t in thresholds])
        return fold(wilson(value, distances.shape[1], self.first.summary["confidence"]), share, thresholds)

    @cached_property
    def candidates(self) -> pa.Table:
        """All samples, the most likely copies first.

        They are ordered by the ratio of a sample's distance to the threshold δ_m, the smallest over the metrics.
        """
        ratios = np.stack([by.nearest / by.pair.delta_m.value for by in self.metrics.values()])
        close = ratios.min(axis=0)
        order = np.argsort(close, kind="stable")
        names = np.array(list(self.metrics))
        suspects = ["+".join(names[ratios[:, i] <= 1]) for i in order]
        columns: dict[str, Any] = {"rank": np.arange(1, len(order) + 1), "index": self.samples["index"].take(order)}
        if "file" in self.samples.column_names:
            columns["file"] = self.samples["file"].take(order)
        columns |= {"class": self.samples["class"].take(order), "suspected_by": suspects, "ratio": close[order]}
        for name, by in self.metrics.items():
            rows = by.table["train_neighbor_1"].take(order)
            columns[f"{name}_train_neighbor"] = rows
            if self.train_files is not None:
                columns[f"{name}_train_file"] = self.train_files[rows.to_numpy()]
            columns[f"{name}_distance"] = by.table["train_distance_1"].take(order)
        return pa.table(columns)

    def summary(self, notes: list[str]) -> dict[str, Any]:
        """All results as plain data. ``notes`` say how the arguments were understood."""
        first = self.first
        memorized = Estimate(**first.summary["fractions"]["memorized"])
        suspected = self.suspected
        plausible = first.summary["plausibility"]
        said = [implausible_sentence(Estimate(**plausible["far"]))] if plausible and plausible["implausible"] else []
        shares = first.as_json()
        others = [one.sentence for one in disagreements(memorized, self.peers)]
        return {
            **{name: shares[name] for name in CLASSES},
            "suspected": {"fraction": suspected.value, "low": suspected.low, "high": suspected.high},
            "implausible": bool(plausible and plausible["implausible"]),
            "plausibility": plausible,
            "delta_m": first.summary["delta_m"],
            "delta_s": first.summary["delta_s"],
            "thresholds": shares["thresholds"],
            "metrics": {name: by.as_json() for name, by in self.metrics.items()},
            "peers": {key: self.peers[key] for key in ("ratio", "copies", "c_t")},
            "n_train": first.summary["size"],
            "n_synthetic": first.summary["n_samples"],
            "metric": next(iter(self.metrics)),
            "confidence": first.summary["confidence"],
            "heldout": not first.entry.get("stand_in", False),
            "notes": [*said, *notes, *self.reservations, *others],
            "version": amdiff.__version__,
        }


def find(context: Context, experiment: ExperimentPlan) -> Found:
    """Read the results that the stages of an audit wrote."""
    store, parents = context.store, experiment.report.parents
    classified = [*parents["classify"], *parents.get("also", ())]
    spec = experiment.spec
    assert isinstance(spec, ExperimentSpec)
    metrics: dict[str, ByMetric] = {
        neighbors.metric: _by_metric(context, artifact)
        for (neighbors, _), artifact in zip(spec.sortings, classified, strict=True)
    }
    (others,) = parents["peers"]
    table, files = _named(context, experiment, next(iter(metrics.values())).table, others)
    first, *rest = metrics
    said = reservations(context, experiment.report, [metrics[first].entry])
    for name in rest:
        for delta, threshold in (("δ_m", metrics[name].pair.delta_m), ("δ_s", metrics[name].pair.delta_s)):
            if threshold.reservation:
                said.append(f"{name}, {delta}: {threshold.reservation}.")
    peers = read_json(store.file(others, "summary"))
    return Found(metrics, table, peers, said, files)


def _by_metric(context: Context, classified: Artifact) -> ByMetric:
    summary = read_json(context.store.file(classified, "summary"))
    return ByMetric(
        read_samples(context, classified),
        summary,
        read_thresholds(context, classified.parent("thresholds"), summary["size"]),
    )


def _named(
    context: Context, experiment: ExperimentPlan, table: pa.Table, others: Artifact
) -> tuple[pa.Table, np.ndarray | None]:
    """Add other measures and names of files to the per-sample table; also return the names of all training images."""
    store = context.store
    measured = read_parquet(store.file(others, "samples"))
    for name in measured.column_names:
        table = table.append_column(name, measured[name])
    own = next(iter(experiment.models[0].shards[0].parents.get("given", ())), None)
    if own is not None and (names := image_names(store, own)) is not None:
        table = table.append_column("file", pa.array(names[table["index"].to_numpy()]))
    if (names := image_names(store, experiment.dataset)) is not None:
        for rank in (n.rsplit("_", 1)[1] for n in table.column_names if n.startswith("train_neighbor_")):
            row = table[f"train_neighbor_{rank}"]
            there = row.is_valid().to_numpy()
            found = names[np.where(there, row.fill_null(0).to_numpy(), 0)]
            table = table.append_column(f"train_file_{rank}", pa.array(found, mask=~there))
    return table, names


def write_csv(path: Path, table: pa.Table) -> None:
    """Write a table as a CSV file, atomically."""
    with atomic_file(path) as temporary:
        pa_csv.write_csv(table, temporary)
