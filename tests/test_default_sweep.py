"""What the default run must show, on the real digits: this trains eight models and takes some minutes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from amdiff.phases.classes import CLASSES
from tests.workflow_tools import Project


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_the_default_run_shows_the_three_phases(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.snakemake("digits")
    tables = tmp_path / "results/digits/tables"
    sweep = [{k: float(v) for k, v in row.items()} for row in rows(tables / "fractions.csv")]
    first, *middle, last = sweep
    assert (first["K"], last["K"], len(sweep)) == (16, 512, 8)
    assert first["memorized"] >= 0.95
    assert last["generalized"] >= 0.95
    peak = max(middle, key=lambda row: row["spurious"])
    assert peak["spurious"] >= 0.20
    assert peak["spurious_low"] > max(first["spurious_high"], last["spurious_high"])
    for row in rows(tables / "thresholds.csv"):
        assert (row["delta_m_method"], row["delta_s_method"]) == ("valley", "valley")
        assert float(row["false_memorized"]) < 0.005
    spurious = [int(row["size"]) for row in rows(tables / "attractors.csv") if row["kind"] == "spurious"]
    assert sum(size >= 3 for size in spurious) >= 5
    basins = {(int(r["K"]), r["class"]): r for r in rows(tables / "basin.csv")}
    together = [k for k in (32, 64, 96, 128, 192) if all((k, c) in basins for c in CLASSES)]
    assert len(together) >= 3
    for k in together:  # the paper's order, with separate intervals
        memorized, spurious, generalized = (basins[k, c] for c in CLASSES)
        assert float(memorized["log_volume_low"]) > float(spurious["log_volume_high"])
        assert float(spurious["log_volume_low"]) > float(generalized["log_volume_high"])
    flat = {int(r["K"]): float(r["dimension_threshold"]) for r in rows(tables / "curvature.csv")
            if (r["class"], r["t"]) == ("train", "2")}  # fmt: skip
    assert flat[16] < 5
    assert flat[512] > 50


@pytest.mark.slow
def test_the_default_circle_is_that_of_the_theory(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.snakemake("circle")
    tables = tmp_path / "results/circle/tables"
    landscapes = {int(r["K"]): r for r in rows(tables / "landscape.csv")}
    many = landscapes[1000]
    assert abs(float(many["radius_learned"]) - float(many["radius_exact"])) < 0.05
    two = [r for r in rows(tables / "minima.csv") if (r["K"], r["energy"]) == ("2", "learned")]
    assert len(two) == 2
    assert all(float(r["nearest_training_distance"]) < 0.1 for r in two)
