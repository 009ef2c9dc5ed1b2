"""What the default run must show, on the real digits: this trains eight models and takes some minutes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

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
