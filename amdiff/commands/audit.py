"""``amdiff audit``: compares samples with the images that a generator was trained on, without a configuration file.

An audit is an experiment like any other. Its configuration follows from the arguments. Its artifacts lie below
``<out>/work``. So an audit that was stopped goes on where it was, and a finished one is not computed again.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.config import METRICS, ConfigError, parse_config
from amdiff.effort import cost
from amdiff.files import write_bytes, write_json
from amdiff.jobs import job_of
from amdiff.plan import Plan
from amdiff.project import image_shape, prepare
from amdiff.screen import Screen
from amdiff.stages import make
from amdiff.stages.context import Context
from amdiff.stages.parquet import write_parquet
from amdiff.stages.stored_images import dataset_counts
from amdiff.store import Store

from .audit_configuration import NAME, Audit, configuration
from .audit_page import audit_page
from .audit_results import CLASSES, Found, find, write_csv
from .audit_verdict import verdict, with_interval
from .telling import show

PERCEPTUAL = "stlpips-alex"
"""The metric that is used beside pixels if no metric is named. It needs no download."""
FEATURES_GIB = 16.0
"""Largest disk space in GiB that features of ``PERCEPTUAL`` may take if the user has not named this metric."""


def audit(asked: Audit) -> int:
    """Run an audit, write its results to ``asked.out``, and return the exit status.

    The status is 0 if the share of copies is surely at most ``fail_above``, 1 if it is surely larger, and 3 if the
    samples do not decide. Without ``fail_above`` it is 0. Raises ``ConfigError`` if the arguments cannot be used.
    """
    if asked.fail_above is not None and not 0 <= asked.fail_above <= 1:
        raise ConfigError(f"--fail-above: got {asked.fail_above:g}, expected a share from 0 to 1")
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))  # one job runs at a time, on all cores
    _check_places(asked)
    context, plan, notes = _run(asked, asked.out / "work")
    experiment = plan.experiment(NAME)
    found = find(context, experiment)
    # a note from a look at the names is left out if reading the files gave the same note
    twice = {note for note in plan.notes for said in found.reservations if note.partition(": ")[2] in said}
    summary = found.summary([*notes, *(note for note in plan.notes if note not in twice)])
    outcome = verdict(summary, asked.fail_above)
    summary["verdict"] = None if outcome is None else outcome.as_json()
    page = audit_page(asked, context, experiment, found, summary["notes"], outcome)
    _write(asked, found, summary, page)
    for name in CLASSES:
        show(f"{name}: {with_interval(summary[name])}")
    if len(found.metrics) > 1:
        show(f"suspected (memorized by any of {', '.join(found.metrics)}): {with_interval(summary['suspected'])}")
    for note in summary["notes"]:
        show(f"note: {note}")
    counts = f"{summary['n_synthetic']:,} samples against {summary['n_train']:,} training images"
    show(f"{asked.out / 'report.html'}: {counts}")
    if outcome is None:
        return 0
    show(f"verdict: {outcome.text}")
    return outcome.status


def _run(asked: Audit, root: Path) -> tuple[Context, Plan, list[str]]:
    """Make all artifacts. Return where they lie, the plan, and notes on how the arguments were understood."""
    config, notes = configuration(asked)
    # byte-equal images count once, so the number of images is known only after reading them
    first = prepare(parse_config({**config, "experiments": _experiments(config, [1])}), root)
    dataset = first.experiment(NAME).dataset
    _make([dataset], first, root)
    count, test = dataset_counts(Store(root), dataset)
    if not asked.metrics:
        others, note = _other_metrics(first, count + test, root)
        config["experiments"][NAME]["also"] = [{"metric": metric} for metric in others]
        notes += note
    plan = prepare(parse_config({**config, "experiments": _experiments(config, [count])}), root)
    _make(plan.by_folder.values(), plan, root)
    return Context(Store(root), plan), plan, notes


def _make(artifacts: Iterable[Artifact], plan: Plan, root: Path) -> None:
    """Make the artifacts that are missing, one after the other. The messages of each go to its own log."""
    store = Store(root)
    missing = [artifact for artifact in artifacts if not store.complete(artifact)]
    if not missing:
        return
    logs = root / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    places = {artifact.address: logs / f"{artifact.stage}-{artifact.address}.log" for artifact in missing}
    jobs = {a.address: replace(job_of(a, cost(plan, a)), log=places[a.address]) for a in missing}
    screen = Screen(notes=False)  # the audit prints the notes at its end
    screen.expect(jobs, logs)
    try:
        for artifact in missing:
            screen.begin(artifact.address)
            with places[artifact.address].open("w") as stream, contextlib.redirect_stderr(stream):
                make(artifact, plan, root)
            screen.end(artifact.address)
    finally:
        screen.close()


def _other_metrics(plan: Plan, images: int, root: Path) -> tuple[list[str], list[str]]:
    """Choose the metrics to use beside pixels: ``PERCEPTUAL``, unless its features need too much disk space.

    ``images`` is the number of training and held-out images. Return the metrics, and notes on what was left out.
    """
    (model,) = plan.experiment(NAME).models
    images += model.samples
    for given in model.shards[0].parents.get("given", ()):
        _make([given], plan, root)
        images += sum(dataset_counts(Store(root), given))
    needed = 4 * METRICS[PERCEPTUAL].length(image_shape(plan, "train", root)) * images / 2**30
    if needed <= FEATURES_GIB:
        return [PERCEPTUAL], []
    note = (
        f"images are compared by pixels only, since the features of {PERCEPTUAL} would take about {needed:,.0f} GiB "
        f"on the disk; to use it as well, give --metric pixels --metric {PERCEPTUAL}, or reduce images by --resize"
    )
    return [], [note]


def _experiments(config: dict[str, Any], sizes: list[int]) -> dict[str, Any]:
    return {NAME: {**config["experiments"][NAME], "sizes": sizes}}


def _check_places(asked: Audit) -> None:
    """Check that sets of images do not overlap and that results lie in none of them. Raises ``ConfigError``."""
    sides = {option: (side.path, side.key) for option, side in asked.sides.items()} | {"--out": (asked.out, None)}
    places = {option: path.resolve() for option, (path, _) in sides.items()}
    for (a, first), (b, second) in itertools.combinations(places.items(), 2):
        inside = first.is_dir() and first in second.parents and (second.is_dir() or b == "--out")
        around = second.is_dir() and second in first.parents and first.is_dir() and b != "--out"
        same = first == second and not (first.is_file() and sides[a][1] != sides[b][1])  # two arrays of one file differ
        if same or inside or around:
            raise ConfigError(
                f"{a} {sides[a][0]} and {b} {sides[b][0]} overlap; folders are read with their subfolders, so give "
                "folders of which none lies inside another"
            )


def _write(asked: Audit, found: Found, summary: dict[str, Any], page: str) -> None:
    """Write report.html, audited.parquet, copies.csv, candidates.csv and summary.json."""
    asked.out.mkdir(parents=True, exist_ok=True)
    write_parquet(asked.out / "audited.parquet", found.samples)
    write_csv(asked.out / "copies.csv", found.copies)
    write_csv(asked.out / "candidates.csv", found.candidates)
    write_bytes(asked.out / "report.html", page.encode())
    write_json(asked.out / "summary.json", summary)
