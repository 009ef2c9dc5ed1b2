"""Replicates: the sweep again, with other trainings and other draws of the training sets."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amdiff.config import parse_config
from amdiff.files import read_json
from amdiff.plan import Plan
from amdiff.project import prepare
from tests.conftest import run_project


def config(**changes: Any) -> dict[str, Any]:
    return {
        "datasets": {"digits": {"kind": "digits"}},
        "experiments": {
            "tiny": {
                "dataset": "digits",
                "sizes": [4, 8],
                "replicates": {"subsets": 2, "seeds": 2},
                "denoiser": {"kind": "mlp", "width": 16, "blocks": 1},
                "training": {"iterations": 30, "batch_size": 8, "learning_rate": 0.003},
                "sampling": {"steps": 5, "minimum": 32},
                "thresholds": {"method": "fixed", "delta_m": 3.3, "delta_s": 2.5},
                "basin": None, "curvature": None, "energy": None, "losses": None, **changes,
            }
        },
        "runtime": {"device": "cpu"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    root = tmp_path_factory.mktemp("replicates")
    return root, run_project(config(), root)


def table(root: Path, plan: Plan, name: str) -> list[dict[str, str]]:
    text = (root / plan.experiment("tiny").report.folder / "tables" / name).read_text()
    return list(csv.DictReader(text.splitlines()))


def test_runs_are_nested_and_have_seeds_of_their_own(finished: tuple[Path, Plan]) -> None:
    root, plan = finished
    rows = table(root, plan, "runs.csv")
    assert [(r["draw"], r["seed"], r["subset_seed"], r["training_seed"]) for r in rows[::2]] == [
        ("0", "0", "3407", "0"), ("0", "1", "3407", "1"), ("1", "0", "3408", "2"), ("1", "1", "3408", "3"),
    ]  # fmt: skip
    samples = {
        (a.params["subset_seed"], a.params["sampling"]["seed"]) for a in plan.by_folder.values() if a.stage == "sample"
    }
    assert samples == {(3407, 0), (3407, 1), (3408, 2), (3408, 3)}
    trained = {a.address for a in plan.by_folder.values() if a.stage == "train"}
    assert len(trained) == 8


def test_the_first_run_is_the_sweep_itself(finished: tuple[Path, Plan], tmp_path: Path) -> None:
    _, plan = finished
    alone = prepare(parse_config(config(replicates=None)), tmp_path)
    own = {a.address for a in alone.by_folder.values() if a.stage not in ("report", "publish")}
    assert own < {a.address for a in plan.by_folder.values()}


def test_intervals_over_runs_are_those_of_the_draws(finished: tuple[Path, Plan]) -> None:
    root, plan = finished
    shares: dict[str, list[float]] = {}
    for row in table(root, plan, "runs.csv"):
        shares.setdefault(row["K"], []).append(float(row["generalized"]))
    for row in table(root, plan, "replicates.csv"):
        if row["class"] == "generalized" and row["scale"] == "share":
            means = np.array(shares[row["K"]]).reshape(2, 2).mean(axis=1)
            assert float(row["share"]) == pytest.approx(means.mean())
            half = 12.706 * means.std(ddof=1) / 2**0.5  # Student's quantile with one degree of freedom
            assert float(row["high"]) == pytest.approx(min(means.mean() + half, 1), abs=1e-4)


def test_the_page_leads_with_them_and_keeps_the_first_run_beside(finished: tuple[Path, Plan]) -> None:
    root, plan = finished
    over = {r["K"]: r for r in table(root, plan, "replicates.csv") if r["class"] == "memorized"}
    for row in table(root, plan, "fractions.csv"):
        assert row["memorized_runs"] == over[row["K"]]["share"]
        assert row["memorized"] == over[row["K"]]["first_run"]
    page = (root / plan.experiment("tiny").report.folder / "report.html").read_text()
    assert "over 2 draws of the training sets, 2 trainings on each, all at the same thresholds" in page
    assert "given this one training" not in page
    assert "given this first training of each model" in page


def test_one_run_says_that_it_is_one(tmp_path: Path) -> None:
    plan = run_project(config(replicates=None), tmp_path)
    report = tmp_path / plan.experiment("tiny").report.folder
    assert not (report / "tables/runs.csv").exists()
    page = (report / "report.html").read_text()
    assert page.count("given this one training of each model") >= 3  # the lead, the sentences, the tables


def test_each_run_has_thresholds_of_its_own_where_they_are_found(tmp_path: Path) -> None:
    plan = prepare(parse_config(config(thresholds={"method": "valley"})), tmp_path)
    assert len([a for a in plan.by_folder.values() if a.stage == "thresholds"]) == 4
    fixed = prepare(parse_config(config()), tmp_path)
    found = [a for a in fixed.by_folder.values() if a.stage == "thresholds"]
    assert {(a.params["delta_m"], a.params["delta_s"]) for a in found} == {(3.3, 2.5)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"replicates": {"subsets": 1, "seeds": 1}}, "give at least two runs"),
        ({"denoiser": {"kind": "exact"}, "training": None}, "replicates.seeds: this denoiser is not trained"),
        ({"subset_order": {"file": "rows.npy"}}, "a file gives one order"),
        ({"sizes": {"kind": "grid", "largest": 64}}, "replicates: give the sizes as a list"),
    ],
)
def test_what_cannot_be_repeated_is_refused(changes: dict[str, Any], said: str) -> None:
    settings = config(**changes)
    if settings["experiments"]["tiny"]["training"] is None:
        del settings["experiments"]["tiny"]["training"]
    with pytest.raises(ValueError, match=said):
        parse_config(settings)


def test_exact_models_are_drawn_again_by_their_training_sets(tmp_path: Path) -> None:
    settings = config(
        denoiser={"kind": "exact", "memories": "train"},
        replicates={"subsets": 3},
        thresholds={"method": "fixed", "delta_m": 0.5, "delta_s": 0.5},
        sampling={"steps": 50, "minimum": 32},
    )
    del settings["experiments"]["tiny"]["training"]
    plan = run_project(settings, tmp_path)
    rows = table(tmp_path, plan, "replicates.csv")
    assert all(float(r["share"]) == 1 for r in rows if r["class"] == "memorized")
    summaries = [
        read_json(tmp_path / a.folder / "summary.json") for a in plan.by_folder.values() if a.stage == "classify"
    ]
    assert len(summaries) == 6
    page = (tmp_path / plan.experiment("tiny").report.folder / "report.html").read_text()
    assert "The spurious share is largest at" not in page  # where there is none, there is no peak
    assert all(s["fractions"]["memorized"]["value"] == 1 for s in summaries)
