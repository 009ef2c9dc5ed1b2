"""What the default run must show, on the real digits and the circle.

The whole of it takes ten to twenty minutes and is left out unless asked for (`pytest -m slow`); at every change some of
its sizes are tried, with nothing else altered.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from amdiff.phases.classes import CLASSES
from tests.workflow_tools import REPO, Project


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def run(root: Path, experiment: str, **changes: Any) -> Path:
    """The folder of tables that an experiment of the default configuration leaves, with some keys changed."""
    config = yaml.safe_load((REPO / "config.yaml").read_text())
    config["experiments"][experiment] |= changes
    Project(root, config if changes else None).snakemake(experiment)
    return root / "results" / experiment / "tables"


def assert_three_phases(tables: Path, *, apart: bool = True) -> None:
    """Copies at the smallest size, new images at the largest, spurious ones between, and nowhere else as many.

    ``apart``: whether the interval of the peak lies above those at the ends. Three sizes are too few for that, since
    the thresholds that are found without one of them lie far apart.
    """
    sweep = [{k: float(v or "nan") for k, v in row.items()} for row in rows(tables / "fractions.csv")]
    first, *middle, last = sweep
    assert (first["K"], last["K"]) == (16, 512)
    assert first["memorized"] >= 0.95
    assert last["generalized"] >= 0.95
    peak = max(middle, key=lambda row: row["spurious"])
    assert peak["spurious"] >= 0.15
    assert peak["spurious"] > 5 * max(first["spurious"], last["spurious"])
    assert not apart or peak["spurious_low"] > max(first["spurious_high"], last["spurious_high"])
    assert peak["spurious"] == pytest.approx(peak["spurious_near"] + peak["spurious_new"])
    assert peak["spurious_near"] > peak["spurious_new"]  # most of them lie next to training images
    assert all(row["set_size"] == 4 * row["K"] for row in sweep)
    for row in rows(tables / "thresholds.csv"):
        assert (row["delta_m_method"], row["delta_s_method"]) == ("valley", "valley")
        assert float(row["false_memorized"]) < 0.005
    assert not any(int(row["separated"]) for row in rows(tables / "valleys.csv"))  # no K alone has both modes
    spurious = [int(row["size"]) for row in rows(tables / "attractors.csv") if row["kind"] == "spurious"]
    assert sum(size >= 3 for size in spurious) >= 5


def assert_basins_in_order(tables: Path, sizes: list[int]) -> None:
    """The paper's order, with separate intervals, wherever there are samples of all three classes."""
    basins = {(int(r["K"]), r["class"]): r for r in rows(tables / "basin.csv")}
    together = [k for k in sizes if all((k, c) in basins for c in CLASSES)]
    assert len(together) >= min(3, len(sizes))
    for k in together:
        memorized, spurious, generalized = (basins[k, c] for c in CLASSES)
        assert float(memorized["log_volume_low"]) > float(spurious["log_volume_high"])
        assert float(spurious["log_volume_low"]) > float(generalized["log_volume_high"])


def assert_dimensions_open(tables: Path) -> None:
    """Training points are points for the smallest model, and parts of something wider for the largest.

    At the smallest noise level the largest model resolves nothing, so its 64 of 64 dimensions mean nothing.
    """
    train = {(int(r["K"]), int(r["t"])): r for r in rows(tables / "curvature.csv") if r["class"] == "train"}
    assert float(train[16, 50]["dimension_threshold"]) < 2
    assert 8 < float(train[512, 50]["dimension_threshold"]) < 30
    assert [train[512, t]["resolved"] for t in (2, 50)] == ["0", "1"]


def assert_circle_is_that_of_the_theory(tables: Path) -> None:
    landscapes = {int(r["K"]): r for r in rows(tables / "landscape.csv")}
    many = landscapes[1000]
    assert abs(float(many["radius_learned"]) - float(many["radius_exact"])) < 0.05
    two = [r for r in rows(tables / "minima.csv") if (r["K"], r["energy"]) == ("2", "learned")]
    assert len(two) == 2
    assert all(float(r["nearest_training_distance"]) < 0.1 for r in two)


@pytest.mark.full
def test_three_sizes_show_three_phases(tmp_path: Path) -> None:
    tables = run(tmp_path, "digits", sizes=[16, 128, 512], twins=[128], energy=None)
    assert_three_phases(tables, apart=False)
    assert_basins_in_order(tables, [128])
    assert_dimensions_open(tables)


def test_two_circles_are_those_of_the_theory(tmp_path: Path) -> None:
    assert_circle_is_that_of_the_theory(run(tmp_path, "circle", sizes=[2, 1000]))


@pytest.mark.slow
def test_the_default_run_shows_the_three_phases(tmp_path: Path) -> None:
    tables = run(tmp_path, "digits")
    assert len(rows(tables / "fractions.csv")) == 8
    assert_three_phases(tables)
    assert_basins_in_order(tables, [32, 64, 96, 128, 192])
    assert_dimensions_open(tables)


@pytest.mark.slow
def test_the_default_circle_is_that_of_the_theory(tmp_path: Path) -> None:
    assert_circle_is_that_of_the_theory(run(tmp_path, "circle"))
