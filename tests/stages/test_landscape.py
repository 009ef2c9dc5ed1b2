"""The analyses through their stages: interrupted, by bisection, with classes left out, and their tables."""

from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from amdiff.config import parse_config
from amdiff.plan import Plan
from amdiff.project import prepare
from amdiff.stages import make
from amdiff.stages.basin import WATCHED
from tests.conftest import run_project

ENDS = ("", "_low", "_high")


def config(**blocks: Any) -> dict[str, Any]:
    """Closed-form models of 24 digits: everything that is drawn is a copy."""
    experiment = {
        "dataset": "digits",
        "sizes": [24],
        "denoiser": {"kind": "exact"},
        "sampling": {"steps": 60, "minimum": 96},
        "thresholds": {"method": "fixed", "delta_m": 0.6, "delta_s": 0.6},
        "basin": {"count": 10, "train_count": 6, "copies": 4, "stride": 50, "scan": [0.5, 1.0]},
        "curvature": {"count": 10, "train_count": 6, "times": [2]},
        "energy": {"count": 10, "train_count": 24, "references": 2},
        **blocks,
    }
    return {
        "datasets": {"digits": {"kind": "digits"}},
        "experiments": {"copies": experiment},
        "runtime": {"device": "cpu", "analysis_batch": 16},
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    root = tmp_path_factory.mktemp("copies")
    return root, run_project(config(), root)


def table(root: Path, name: str) -> list[dict[str, str]]:
    with (root / f"results/copies/tables/{name}.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_the_stable_tables(finished: tuple[Path, Plan]) -> None:
    root, _ = finished
    columns = {
        "basin": ["K", "class", "n", *(f"{c}{e}" for c in ("critical_time", "log_volume") for e in ENDS)],
        "curvature": ["K", "class", "t", "n", *(f"dimension_{c}{e}" for c in ("gap", "threshold") for e in ENDS)],
        "energy": ["K", "class", "n", "gap", "gap_std", "reference"],
    }
    for name, expected in columns.items():
        rows = table(root, name)
        assert list(rows[0])[: len(expected)] == expected
        # all samples are copies: the other classes are left out
        assert {row["class"] for row in rows} == {"train", "memorized"}
    assert {row["n"] for row in table(root, "basin") if row["class"] == "memorized"} == {"10"}
    assert all(float(row["gap"]) == 0 for row in table(root, "energy") if row["class"] == "train")
    assert len({row["reference"] for row in table(root, "energy")}) == 2
    drawn = (root / "results/copies/figures/log_volume.svg").read_text()
    note = " ".join(re.findall(r"<!-- (.*?) -->", drawn))
    assert "left out, since it has less than 1 % of the samples: spurious at K = 24; generalized at K = 24" in note


def test_a_memory_is_a_deep_point(finished: tuple[Path, Plan]) -> None:
    root, _ = finished
    for row in table(root, "curvature"):
        assert float(row["dimension_threshold"]) == 0
    for row in table(root, "basin"):
        assert float(row["critical_time"]) > 150
        assert float(row["failed"]) == 0


def test_spectra_lie_in_hdf5_raw_and_normalised(finished: tuple[Path, Plan]) -> None:
    root, plan = finished
    (artifact,) = plan.experiments[0].report.parents["curvature"]
    with h5py.File(root / artifact.folder / artifact.file()) as file:
        raw, normalised = file["memorized/raw/t00002"][:], file["memorized/normalised/t00002"][:]
        assert raw.shape == (10, 64)
        assert np.allclose(raw / file["sigma"][0], normalised, rtol=1e-5)
        assert (np.diff(raw, axis=1) <= 0).all()


@pytest.mark.parametrize("stage", ["basin", "curvature", "energy"])
def test_an_interrupted_analysis_goes_on_to_the_same_bytes(
    stage: str, finished: tuple[Path, Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = finished
    plan = prepare(parse_config(config()), tmp_path)
    (target,) = plan.experiments[0].report.parents[stage]
    for artifact in target.ancestors():
        make(artifact, plan, tmp_path)
    calls = 0

    def failing(*args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return write(*args, **kwargs)

    from amdiff.stages import blocks

    write = blocks.save_arrays
    monkeypatch.setattr(blocks, "save_arrays", failing)
    with pytest.raises(KeyboardInterrupt):
        make(target, plan, tmp_path)
    assert len(list(tmp_path.glob(f"scratch/{stage}/*/*.npz"))) == 2
    monkeypatch.setattr(blocks, "save_arrays", write)
    make(target, plan, tmp_path)
    name = f"{stage}.h5"
    first, second = (hashlib.sha256((r / target.folder / name).read_bytes()).digest() for r in (root, tmp_path))
    assert first == second
    assert not list(tmp_path.glob(f"scratch/{stage}/*/*.npz"))


def test_a_bisection_reports_its_disagreement(tmp_path: Path) -> None:
    basin = {"count": 10, "train_count": 6, "copies": 4, "stride": 20, "search": "bisection", "check": 5}
    plan = run_project(config(basin=basin, curvature=None, energy=None), tmp_path)
    page = (tmp_path / "results/copies/report.html").read_text()
    assert "Basins were found by bisection; of 40 copies that were also scanned" in page
    assert not (tmp_path / "results/copies/tables/energy.csv").exists()
    assert {row["factor"] for row in table(tmp_path, "basin_scan")} == {"1.0"}
    (artifact,) = plan.experiments[0].report.parents["basin"]
    with h5py.File(tmp_path / artifact.folder / artifact.file()) as file:
        # what is drawn comes from a scan: every time up to a target's stop, and the picture of each
        scanned, distance, back = (file["memorized"][name][:] for name in ("scanned", "distance", "back"))
    assert len(scanned) == len(back) == WATCHED
    known = np.isfinite(scanned).all(axis=2)
    assert (np.diff(known.astype(int), axis=1) <= 0).all()
    assert np.isnan(distance[: len(scanned)][known]).any()
    assert back.reshape(*back.shape[:2], -1)[known].any(axis=1).all()
