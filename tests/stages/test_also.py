"""The same samples by further metrics: what is made, what is shared, and what the report says of both."""

from __future__ import annotations

import copy
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from amdiff.config import ConfigError, parse_config
from amdiff.phases.classes import class_numbers
from amdiff.plan import build_plan
from amdiff.store import Store
from tests.conftest import SMALL, run_project

OTHER = "stlpips-alex"


def experiment(**changes: Any) -> dict[str, Any]:
    config = copy.deepcopy(SMALL["experiments"]["tiny"])
    del config["training"]
    return config | {"denoiser": {"kind": "exact", "memories": "heldout"}} | dict.fromkeys(
        ("basin", "curvature", "energy")
    ) | changes  # fmt: skip


def config(**experiments: Any) -> dict[str, Any]:
    return {"datasets": SMALL["datasets"], "experiments": experiments, "runtime": SMALL["runtime"]}


def test_both_metrics_are_told_side_by_side(tmp_path: Path) -> None:
    plan = run_project(config(two=experiment(also=[{"metric": OTHER, "thresholds": {"method": "heldout"}}])), tmp_path)
    report, store = plan.experiment("two").report, Store(tmp_path)
    assert [(a.params["metric"], a.params["size"]) for a in report.parents["also"]] == [(OTHER, 4), (OTHER, 16)]
    with (tmp_path / "results/two/tables/metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(int(r["K"]), r["metric"]) for r in rows] == [(4, "pixels"), (4, OTHER), (16, "pixels"), (16, OTHER)]
    for row in rows:
        role = "classify" if row["metric"] == "pixels" else "also"
        sides = [
            class_numbers(pq.read_table(store.file(a, "samples"))["class"].to_pylist())
            for r in ("classify", role)
            for a in report.parents[r]
            if a.params["size"] == int(row["K"])
        ]
        assert float(row["agreement"]) == pytest.approx((sides[0] == sides[1]).mean())
        assert int(row["both_generalized"]) == ((sides[0] == 2) & (sides[1] == 2)).sum()
        assert float(row["memorized"]) == pytest.approx((sides[1] == 0).mean())
    assert np.array_equal([float(r["agreement"]) for r in rows[::2]], [1, 1])


def test_an_experiment_by_that_metric_shares_everything_but_the_report() -> None:
    thresholds = {"method": "heldout", "pooled": True}
    plan = build_plan(parse_config(config(
        both=experiment(also=[{"metric": OTHER, "thresholds": thresholds}]),
        other=experiment(neighbors={"heldout_limit": 100, "metric": OTHER}, thresholds=thresholds),
        first=experiment(),
    )))  # fmt: skip
    both, other, first = (plan.experiment(name) for name in ("both", "other", "first"))
    assert both.report.parents["also"] == other.report.parents["classify"]
    assert both.report.parents["classify"] == first.report.parents["classify"]
    assert len({e.report.address for e in (both, other, first)}) == 3


def test_a_grid_is_sorted_by_both() -> None:
    grid = {"kind": "grid", "largest": 64}
    spec = experiment(sizes=grid, also=[{"metric": OTHER}])
    open_plan = build_plan(parse_config(config(two=spec)))
    assert "also" not in open_plan.experiment("two").report.parents
    changed = experiment(sizes=grid, also=[{"metric": "lpips-alex"}])
    addresses = {
        build_plan(parse_config(config(two=changed) | {"sources": {"backbone:alex": digest}}))
        .experiment("two")
        .report.address
        for digest in ("a" * 16, "b" * 16)
    }
    assert len(addresses) == 2  # the network behind a further metric decides, though its sizes are not known yet
    settled = build_plan(parse_config(config(two=spec)), {"two": (2, 8, 16)}).experiment("two")
    assert [a.params["size"] for a in settled.report.derived["also"]] == [2, 8, 16]


@pytest.mark.parametrize(
    ("also", "message"),
    [
        ([{"metric": "pixels"}], "also: name each metric once, and not the metric of neighbors; got pixels, pixels"),
        ([{"metric": OTHER}, {"metric": OTHER}], "also: name each metric once, and not the metric of neighbors"),
        ([{"metric": "ssim"}], "ssim"),
        ([{"metric": OTHER, "thresholds": {"method": "experiment", "experiment": "two"}}], "also.0.thresholds"),
    ],
)
def test_what_cannot_be_is_refused(also: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(config(two=experiment(also=also)))
