"""An audit: samples of one's own against the images that a generator was trained on, without a configuration file.

It is an experiment like any other, whose configuration follows from the arguments. Its artifacts lie below
``<out>/work``, so an audit that was stopped goes on, and one that is asked for again finds all made.
"""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from amdiff.artifacts import FILES
from amdiff.config import ConfigError, parse_config
from amdiff.files import atomic_file, read_json, write_json
from amdiff.phases.classes import CLASSES, MEMORIZED
from amdiff.plan import ExperimentPlan, Plan
from amdiff.project import prepare
from amdiff.stages import make
from amdiff.stages.files import IMAGES, image_names
from amdiff.stages.measured import SUMMARY, TABLE, THRESHOLDS, class_numbers
from amdiff.stages.parquet import read_parquet, write_parquet
from amdiff.store import Store

from . import show
from .audit_configuration import NAME, Audit, configuration


def audit(asked: Audit) -> int:
    """Run an audit, write its results to ``asked.out``, and return the exit status: 1 for too many copies.

    Raises ``ConfigError`` where the arguments cannot be used.
    """
    if asked.fail_above is not None and not 0 <= asked.fail_above <= 1:
        raise ConfigError(f"--fail-above: got {asked.fail_above:g}, expected a share from 0 to 1")
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))  # an audit is one job at a time
    _check_places(asked)
    root = asked.out / "work"
    config = configuration(asked)
    summary = _run(asked, config, root)
    for name in CLASSES:
        share = summary[name]
        show(f"{name}: {share['fraction']:.4f} [{share['low']:.4f}, {share['high']:.4f}]")
    page = asked.out / "report.html"
    show(f"{page}: {summary['n_synthetic']:,} samples against {summary['n_train']:,} training images")
    if asked.fail_above is not None and summary["memorized"]["fraction"] > asked.fail_above:
        show(f"the share of memorized samples is above {asked.fail_above:g}")
        return 1
    return 0


def _run(asked: Audit, config: dict[str, Any], root: Path) -> dict[str, Any]:
    """Make all artifacts, and write what people look at."""
    # how many images there are without byte-equal ones is known once they are read
    first = prepare(parse_config({**config, "experiments": _experiments(config, [1])}), root)
    dataset = first.experiment(NAME).dataset
    make(dataset, first.config, root)
    with h5py.File(root / dataset.folder / IMAGES, "r") as file:
        count = int((file["split"][:] == 0).sum())
    plan = prepare(parse_config({**config, "experiments": _experiments(config, [count])}), root)
    for artifact in plan.by_folder.values():
        make(artifact, plan.config, root)
    return _write(asked, plan, root)


def _experiments(config: dict[str, Any], sizes: list[int]) -> dict[str, Any]:
    return {NAME: {**config["experiments"][NAME], "sizes": sizes}}


def _check_places(asked: Audit) -> None:
    """Sets of images are different ones, and results lie in none of them. Raises ``ConfigError``."""
    sides = {"--train": asked.train, "--synthetic": asked.synthetic, "--heldout": asked.heldout, "--out": asked.out}
    places = {option: path.resolve() for option, path in sides.items() if path is not None}
    for (a, first), (b, second) in itertools.combinations(places.items(), 2):
        inside = first.is_dir() and first in second.parents and (second.is_dir() or b == "--out")
        around = second.is_dir() and second in first.parents and first.is_dir() and b != "--out"
        if first == second or inside or around:
            raise ConfigError(
                f"{a} {sides[a]} and {b} {sides[b]} overlap; folders are read with their subfolders, so give folders "
                "that lie beside each other"
            )


def _write(asked: Audit, plan: Plan, root: Path) -> dict[str, Any]:
    """Write report.html, samples.parquet, copies.csv and summary.json."""
    store, experiment = Store(root), plan.experiment(NAME)
    (classified,) = experiment.report.parents["classify"]
    about = read_json(store.file(classified, SUMMARY))
    (thresholds,) = experiment.report.parents["thresholds"]
    stand_in = read_json(store.file(thresholds, THRESHOLDS))["sizes"][0].get("stand_in", False)
    ends = {"fraction": "value", "low": "low", "high": "high"}
    summary: dict[str, Any] = {
        name: {key: about["fractions"][name][end] for key, end in ends.items()} for name in CLASSES
    }
    summary |= {
        "delta_m": about["delta_m"],
        "delta_s": about["delta_s"],
        "n_train": about["size"],
        "n_synthetic": about["n_samples"],
        "metric": asked.metrics[0],
        "confidence": about["confidence"],
        "heldout": not stand_in,
        "notes": list(plan.notes),
    }
    table = _named(store, experiment, store.file(classified, TABLE))
    asked.out.mkdir(parents=True, exist_ok=True)
    write_parquet(asked.out / "samples.parquet", table)
    copies = table.filter(pa.array(class_numbers(table) == MEMORIZED)).sort_by("train_distance_1")
    columns = ("index", "file", "train_neighbor_1", "train_file_1", "train_distance_1")
    with atomic_file(asked.out / "copies.csv") as temporary:
        pa_csv.write_csv(copies.select([name for name in columns if name in copies.column_names]), temporary)
    with atomic_file(asked.out / "report.html") as temporary:
        shutil.copyfile(store.file(experiment.report, "report.html"), temporary)
    write_json(asked.out / "summary.json", summary)
    return summary


def _named(store: Store, experiment: ExperimentPlan, path: Path) -> pa.Table:
    """The per-sample table with other measures, and the names of files where the images were files."""
    table = read_parquet(path)
    (others,) = experiment.report.parents["peers"]
    measured = read_parquet(store.file(others, FILES["peers"][1]))
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
    return table
