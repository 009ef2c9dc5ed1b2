"""Training sets in an order that others used: every stage takes the same images, and a wrong order shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amdiff.config import parse_config
from amdiff.errors import AmdiffError, DataError
from amdiff.files import read_json
from amdiff.plan import Plan
from amdiff.project import prepare
from amdiff.stages import make
from amdiff.stages.hdf5 import read_h5
from tests.conftest import run_project


def config(order: Any, **changes: Any) -> dict[str, Any]:
    """The exact score of S draws copies of S, so that it tells which images S holds."""
    return {
        "datasets": {"digits": {"kind": "digits"}},
        "experiments": {
            "tiny": {
                "dataset": "digits",
                "sizes": [12],
                "subset_order": order,
                "denoiser": {"kind": "exact", "memories": "train"},
                "sampling": {"steps": 100, "minimum": 48},
                "thresholds": {"method": "fixed", "delta_m": 0.5, "delta_s": 0.5},
                "basin": None, "curvature": None, "energy": {"references": 2, "count": 4, "train_count": 4},
                **changes,
            }
        },
        "runtime": {"device": "cpu"},
    }  # fmt: skip


def found(root: Path, plan: Plan, stage: str) -> Path:
    (artifact,) = [a for a in plan.by_folder.values() if a.stage == stage]
    return root / artifact.folder


def theirs(count: int) -> np.ndarray:
    return torch.randperm(count, generator=torch.Generator().manual_seed(3407)).numpy()


@pytest.mark.parametrize("kind", ["torch", "file"])
def test_every_stage_takes_the_images_of_the_order(kind: str, tmp_path: Path) -> None:
    rows = theirs(1797)[:12] if kind == "torch" else np.arange(100, 112)[::-1]
    np.save(tmp_path / "rows.npy", rows)
    plan = run_project(config("torch" if kind == "torch" else {"file": str(tmp_path / "rows.npy")}), tmp_path)
    train, held = read_h5(found(tmp_path, plan, "neighbors") / "neighbors.h5", "train_rows", "heldout_rows")
    assert train.tolist() == sorted(rows.tolist())
    assert not set(train.tolist()) & set(held.tolist())
    summary = read_json(found(tmp_path, plan, "classify") / "summary.json")
    assert summary["fractions"]["memorized"]["value"] == 1
    (references,) = read_h5(found(tmp_path, plan, "energy") / "energy.h5", "references")
    assert references.tolist() == rows[:2].tolist()


def test_a_file_that_changes_is_another_training_set(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("\n".join(map(str, range(20))))
    before = prepare(parse_config(config({"file": str(path)})), tmp_path)
    path.write_text("\n".join(map(str, range(1, 21))))
    after = prepare(parse_config(config({"file": str(path)})), tmp_path)
    stages = {a.stage for a in before.by_folder.values()} & {"sample", "neighbors", "classify", "energy", "report"}
    for stage in stages:
        assert found(tmp_path, before, stage) != found(tmp_path, after, stage)
    for artifact in before.by_folder.values():
        if artifact.stage == "dataset":
            make(artifact, before, tmp_path)
    (sample,) = [a for a in before.by_folder.values() if a.stage == "sample"]
    with pytest.raises(DataError, match="has changed since this run started"):
        make(sample, before, tmp_path)


def test_left_out_duplicates_shift_the_numbers(tmp_path: Path) -> None:
    """Row numbers of others count the duplicates too."""
    images = np.random.default_rng(0).integers(0, 255, (60, 1, 8, 8), np.uint8)
    images[7] = images[3]
    np.save(tmp_path / "images.npy", images)
    given = config("torch", neighbors={"heldout_limit": 20})
    given["datasets"] = {"digits": {"kind": "arrays", "path": str(tmp_path / "images.npy")}}
    plan = prepare(parse_config(given), tmp_path)
    (dataset,) = [a for a in plan.by_folder.values() if a.stage == "dataset"]
    (sample,) = [a for a in plan.by_folder.values() if a.stage == "sample"]
    make(dataset, plan, tmp_path)
    with pytest.raises(AmdiffError, match="1 byte-equal images of digits were left out"):
        make(sample, plan, tmp_path)


def test_mistakes_are_told_before_work_starts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"subset_order: .*nowhere.*there is no such file"):
        prepare(parse_config(config({"file": str(tmp_path / "nowhere.txt")})), tmp_path)
    with pytest.raises(ValueError, match="give 'file', a file of row numbers"):
        parse_config(config({}))
    with pytest.raises(ValueError, match="subset_order"):
        parse_config(config("alphabet"))
