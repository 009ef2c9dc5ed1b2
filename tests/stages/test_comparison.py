"""Experiments side by side, from their reports."""

from __future__ import annotations

import copy
import csv
from pathlib import Path
from typing import Any

import pytest

from amdiff.config import ConfigError, parse_config
from amdiff.figures.comparison import Side, sentences, tables
from amdiff.plan import Plan, build_plan
from amdiff.stages.comparison import over_all_runs
from tests.conftest import SMALL, TOY, run_project


def config() -> dict[str, Any]:
    """A narrow and a wide network, briefly trained."""
    found = copy.deepcopy(SMALL)
    narrow = found["experiments"]["tiny"] | {"basin": None, "curvature": None, "energy": None}
    wide = copy.deepcopy(narrow)
    wide["denoiser"]["width"] = 90
    found["experiments"] = {"narrow": narrow, "wide": wide}
    found["comparisons"] = {"widths": {"experiments": ["narrow", "wide"]}}
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    root = tmp_path_factory.mktemp("comparison")
    return root, run_project(config(), root)


def rows(root: Path, page: str, table: str) -> list[dict[str, str]]:
    with (root / f"results/{page}/tables/{table}.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_a_comparison_tells_what_its_experiments_found(finished: tuple[Path, Plan]) -> None:
    root, plan = finished
    for name in ("narrow", "wide"):
        (peak,) = [r for r in rows(root, "widths", "comparison") if r["experiment"] == name]
        largest = max(rows(root, name, "fractions"), key=lambda r: float(r["spurious"]))
        assert all(peak[key] == largest[key] for key in ("K", "spurious", "n_synthetic"))
        (thresholds,) = [r for r in rows(root, "widths", "thresholds") if r["experiment"] == name]
        assert thresholds["delta_m"] == rows(root, name, "thresholds")[0]["delta_m"]
        assert thresholds["K"] == "all"
    settings = rows(root, "widths", "configurations")
    assert [r["width"] for r in settings] == ["70", "90"]
    assert int(settings[0]["parameters"]) == 21_048 < int(settings[1]["parameters"])
    assert {r["N"] for r in rows(root, "widths", "transitions")} == {"1797"}
    assert "narrow: the spurious share is largest at K = " in (root / "results/widths/report.html").read_text()
    assert all(path.exists() for path in (root / p for p in plan.page("widths").published))


def test_shares_over_all_runs_take_the_place_of_those_of_the_first() -> None:
    one = {f"{name}{end}": "0.5" for name in ("memorized", "spurious", "generalized") for end in ("", "_low", "_high")}
    assert over_all_runs({"K": "4", **one}) == {"K": "4", **one}
    runs = {name.replace(kind, f"{kind}_runs"): "0.25" for name in one for kind in [name.split("_")[0]]}
    found = over_all_runs({"K": "4", **one, **runs})
    assert all(found[name] == "0.25" for name in one)


def test_a_peak_that_other_thresholds_move_is_said() -> None:
    def row(size: int, spurious: float, without: str) -> dict[str, Any]:
        ends = {"spurious": spurious, "spurious_low": spurious / 2, "spurious_high": 2 * spurious}
        return {"K": str(size), "n_synthetic": "64", "set_size": "16", "peak_without": without, **ends}

    spec = parse_config(config()).experiments["narrow"]
    side = Side("narrow", spec, 10, 100, (1, 8, 8), [row(4, 0.1, "16"), row(16, 0.3, "4"), row(64, 0.2, "")], [], None)
    assert side.other_peaks == [4]
    (said,) = sentences([side])
    assert "largest at K = 16, 30.0% [15.0%, 60.0%] (with thresholds that are found without one K, at K = 4)" in said
    (peaks, *_) = tables([side])
    (told,) = csv.DictReader(peaks.csv.splitlines())
    assert (told["set_size"], told["other_peaks"]) == ("16", "4")


@pytest.mark.parametrize(
    ("experiments", "message"),
    [
        (["narrow"], "name at least two different experiments"),
        (["narrow", "narrow"], "name at least two different experiments"),
        (["narrow", "other"], "got 'other'; name only experiments on images that this file defines"),
        (["narrow", "ring"], "got 'ring'; name only experiments on images that this file defines"),
    ],
)
def test_wrong_comparisons_are_refused(experiments: list[str], message: str) -> None:
    asked = config()
    asked["datasets"] |= TOY["datasets"]
    asked["experiments"] |= copy.deepcopy(TOY["experiments"])
    asked["comparisons"]["widths"]["experiments"] = experiments
    with pytest.raises(ConfigError, match=message):
        parse_config(asked)


@pytest.mark.parametrize("name", ["narrow", "digits", "report"])
def test_names_are_not_used_twice(name: str) -> None:
    asked = config()
    asked["comparisons"] = {name: asked["comparisons"]["widths"]}
    with pytest.raises(ConfigError, match=r"taken by a rule|belongs to another page or a dataset"):
        parse_config(asked)


def test_lent_thresholds_are_drawn_at_the_bandwidth_that_found_them(small: dict[str, Any]) -> None:
    from amdiff.stages.sections.phases import _bandwidth

    tiny = small["experiments"]["tiny"]
    small["experiments"] |= {
        "lender": {**tiny, "thresholds": {"method": "valley", "bandwidth": 0.3}},
        "taker": {**tiny, "thresholds": {"method": "experiment", "experiment": "lender"}},
        "given": {**tiny, "thresholds": {"method": "fixed", "delta_m": 1.0, "delta_s": 1.0}},
    }
    plan = build_plan(parse_config(small))
    for name, bandwidth in (("lender", 0.3), ("taker", 0.3), ("given", 0.12)):
        for found in plan.experiment(name).thresholds:
            assert _bandwidth(found) == bandwidth
