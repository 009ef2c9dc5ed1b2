"""Snapshots of a training: the same bits as trainings of so many steps, at the cost of one."""

from __future__ import annotations

import copy
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amdiff.config import parse_config
from amdiff.figures.snapshots import Content
from amdiff.figures.snapshots_tables import snapshots_sentences, snapshots_tables
from amdiff.files import read_json
from amdiff.phases.generalization import ModelLosses
from amdiff.phases.intervals import Estimate
from amdiff.phases.training_time import crossing, slope, window
from amdiff.plan import Plan
from amdiff.project import prepare
from amdiff.stages import make
from tests.conftest import run_project

STEPS = (7, 20, 60)


def config(**training: Any) -> dict[str, Any]:
    return {
        "datasets": {"digits": {"kind": "digits"}},
        "experiments": {
            "tiny": {
                "dataset": "digits",
                "sizes": [4, 8],
                "denoiser": {"kind": "mlp", "width": 8, "blocks": 1, "dropout": 0.1},
                "training": {
                    "iterations": 60, "batch_size": 4, "learning_rate": 0.003, "snapshots": [7, 20], **training
                },
                "sampling": {"steps": 5, "minimum": 32},
                "thresholds": {"method": "fixed", "delta_m": 1, "delta_s": 1},
                "basin": None, "curvature": None, "energy": None, "losses": {"count": 40, "levels": 5},
            }
        },
        "runtime": {"device": "cpu"},
    }  # fmt: skip


def trainings(plan: Plan) -> dict[tuple[int, int], Any]:
    return {
        (a.params["size"], a.params["training"]["iterations"]): a for a in plan.by_folder.values() if a.stage == "train"
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    root = tmp_path_factory.mktemp("snapshots")
    return root, run_project(config(), root)


def test_a_snapshot_is_a_training_of_so_many_steps(finished: tuple[Path, Plan], tmp_path: Path) -> None:
    root, plan = finished
    chained = trainings(plan)
    assert sorted(chained) == [(size, step) for size in (4, 8) for step in STEPS]
    for step in STEPS:
        alone = prepare(parse_config(config(iterations=step, snapshots=[])), tmp_path)
        own = trainings(alone)[8, step]
        assert own.address == chained[8, step].address
        for artifact in alone.by_folder.values():
            if artifact.stage == "dataset" or artifact == own:
                make(artifact, alone, tmp_path)
        for name in own.files:
            assert (tmp_path / own.folder / name).read_bytes() == (root / own.folder / name).read_bytes()


def test_a_longer_training_goes_on_from_a_shorter_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = prepare(parse_config(config()), tmp_path)
    found = trainings(plan)
    for artifact in plan.by_folder.values():
        if artifact.stage == "dataset":
            make(artifact, plan, tmp_path)
    for step in STEPS:
        make(found[4, step], plan, tmp_path)
    said = capsys.readouterr().err
    assert "resumes at step 7" in said
    assert "resumes at step 20" in said
    assert list((tmp_path / "scratch/train").glob("*")) == []


def test_phases_at_every_snapshot(finished: tuple[Path, Plan]) -> None:
    root, plan = finished
    report = root / plan.experiment("tiny").report.folder
    lines = (report / "tables/time.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * len(STEPS)
    assert [line.split(",")[:2] for line in lines[1:4]] == [["4", str(step)] for step in STEPS]
    page = (report / "report.html").read_text()
    assert "The three phases over training time" in page
    for stage in ("thresholds", "classify"):
        made = [a for a in plan.by_folder.values() if a.stage == stage]
        assert len(made) == {"thresholds": 2, "classify": 2 * len(STEPS)}[stage]
    for artifact in (a for a in plan.by_folder.values() if a.stage == "classify"):
        assert read_json(root / artifact.folder / "summary.json")["delta_m"] == 1


def test_log_spaced_snapshots_end_with_the_whole() -> None:
    spec = parse_config(config(snapshots={"log": 4, "first": 2}, iterations=2000)).experiments["tiny"].training
    assert spec.steps_for(4) == (2, 20, 200, 2000)
    less = copy.deepcopy(config(snapshots=[7, 20, 100]))
    assert parse_config(less).experiments["tiny"].training.steps_for(4) == STEPS


def test_a_rate_that_falls_has_no_snapshots() -> None:
    with pytest.raises(ValueError, match="snapshots: need 'schedule: constant', got 'cosine'"):
        parse_config(config(schedule="cosine"))


def shares(*values: float) -> list[Estimate]:
    return [Estimate(v, v / 2, min(2 * v, 1)) for v in values]


def test_memorization_begins_where_its_share_crosses() -> None:
    steps = (10, 100, 1000)
    found = crossing(steps, shares(0.0, 0.02, 0.5), 0.01)
    assert found.value == pytest.approx(10 * 10**0.5)
    assert found.low == pytest.approx(10 * 10**0.25)
    assert found.high == pytest.approx(100)
    assert found.censored == ""
    assert crossing(steps, shares(0, 0, 0.005), 0.01).censored == "after"
    assert crossing(steps, shares(0.3, 0.4, 0.5), 0.01).censored == "before"
    assert window(steps, (0.1, 0.5, 0.3)) == (100, 1000)
    assert window(steps, (0.0, 0.0, 0.0)) is None


def test_what_was_not_seen_to_begin_is_said() -> None:
    def at(share: float) -> dict[str, Any]:
        estimate = {"value": share, "low": share / 2, "high": min(2 * share, 1)}
        return {"fractions": dict.fromkeys(("memorized", "spurious", "generalized"), estimate)}

    shares = {4: (0.3, 0.5, 0.7), 8: (0, 0.02, 0.5), 16: (0, 0.005, 0.2), 32: (0, 0.002, 0.03), 64: (0, 0, 0.001)}
    found = {size: dict(zip((10, 100, 1000), map(at, values), strict=True)) for size, values in shares.items()}
    (said,) = snapshots_sentences(Content(found, 0.95, ""))  # neither losses nor distances
    assert "over 3 K." in said
    assert "It had begun before the first step at K = 4." in said
    assert "It had not begun at the last step at K = 64, which is left out." in said


def model(loss: float, pool: float = 0.05, images: int = 40) -> ModelLosses:
    """Losses of a model at two noise levels, of which the first has no standard."""
    values = {"loss": np.full((images, 2), loss), "loss_pool": np.array([[9.0, pool]] * images)}
    return ModelLosses(np.arange(2), np.array([0.1, 2.0]), np.full(2, 0.5), values, values, 100)


def test_a_stop_is_recommended_where_the_held_out_loss_is_least() -> None:
    def at(share: float) -> dict[str, Any]:
        estimate = {"value": share, "low": share / 2, "high": min(2 * share, 1)}
        return {"fractions": dict.fromkeys(("memorized", "spurious", "generalized"), estimate), "set_size": 32}

    steps, losses = (10, 100, 1000), {4: (0.3, 0.2, 0.4), 8: (0.3, 0.1, 0.1001)}
    found = {size: dict(zip(steps, map(at, (0, 0.02, 0.5)), strict=True)) for size in losses}
    models = {size: dict(zip(steps, map(model, own), strict=True)) for size, own in losses.items()}
    content = Content(found, 0.95, "", models, {(4, 10): (0.5, 1e-6), (8, 10): None})
    assert content.levels.tolist() == [False, True]
    assert {size: stop.value for size, stop in content.stops.items()} == {4: 100, 8: 100}
    found_at = {size: begin.value for size, begin in content.generalizes.items()}
    assert found_at == {4: pytest.approx(10 * 10**0.925), 8: pytest.approx(10 * 10 ** (0.1975 / 0.2))}
    _, generalizes, stops, modes = snapshots_sentences(content)
    assert "first comes within 5% of its smallest value at step 8" in generalizes
    assert "one would stop surely before the last step at 2 of 2 K." in stops
    assert "at K = 4: at step 100 the samples are 2.0% [1.0%, 4.0%] memorized, " in stops
    assert "and at step 1,000 50.0% [25.0%, 100.0%] memorized, " in stops
    assert "more than one mode at 0, and those to other samples at 1" in modes
    time, begins = snapshots_tables(content)
    for row in csv.DictReader(begins.csv.splitlines()):
        assert float(row["tau_gen"]) == pytest.approx(found_at[int(row["K"])])
        assert row["tau_gen_censored"] == ""
        assert (row["stop"], row["stop_memorized"]) == ("100", "0.02")
    first = next(csv.DictReader(time.csv.splitlines()))
    assert float(first["loss_heldout"]) == pytest.approx(0.3)
    assert float(first["excess"]) == pytest.approx(0.25)
    assert (first["delta_m_dip_p"], first["delta_s_dip_p"]) == ("0.5", "1e-06")


def test_a_law_has_its_power() -> None:
    x = np.log([16, 32, 64, 128.0])
    found = slope(x, 1 + 1.0 * x)
    assert found is not None
    assert found.value == pytest.approx(1)
    assert slope(x, np.ones(4)) is None
    noisy = slope(x, 1 + 1.0 * x + np.array([0.1, -0.1, 0.05, -0.05]))
    assert noisy is not None
    assert noisy.low < 1 < noisy.high
    assert slope(x[:2], x[:2]) is None
