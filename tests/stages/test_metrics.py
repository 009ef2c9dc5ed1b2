"""Perceptual metrics through the stages, on colour photographs and on real weights that a package carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from amdiff.config import ConfigError, parse_config
from amdiff.neighbors.embeddings import weights_of
from amdiff.neighbors.perceptual import load_perceptual, squared_distance
from amdiff.plan import Plan
from amdiff.project import prepare
from amdiff.stages import make
from amdiff.store import Store
from tests.backbones import save_backbone
from tests.conftest import run_project


def config(metric: str, **experiment: Any) -> dict[str, Any]:
    """Closed-form models of 12 tiles: all that is drawn is a copy."""
    return {
        "datasets": {"photos": {"kind": "photos", "tile": 16}},
        "experiments": {
            "colour": {
                "dataset": "photos",
                "sizes": [12],
                "denoiser": {"kind": "exact"},
                "sampling": {"steps": 60, "minimum": 48},
                "neighbors": {"metric": metric, "heldout_limit": 60},
                "thresholds": {"method": "fixed", "delta_m": 0.01, "delta_s": 0.01},
                "basin": {
                    "metric": metric, "count": 4, "train_count": 3, "copies": 2, "stride": 200, "scan": [0.5, 1.0]
                },
                "curvature": None,
                "energy": None,
                **experiment,
            }
        },
        "runtime": {"device": "cpu"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    root = tmp_path_factory.mktemp("colour")
    return root, run_project(config("stlpips-alex"), root)


def one(plan: Plan, stage: str) -> Any:
    (found,) = [a for a in plan.by_folder.values() if a.stage == stage]
    return found


def test_copies_are_found_by_a_perceptual_metric(finished: tuple[Path, Plan]) -> None:
    root, plan = finished
    table = (root / "results/colour/tables/fractions.csv").read_text().splitlines()
    assert table[1].split(",")[:2] == ["12", "1.0"]
    assert "ST-LPIPS" in (root / "results/colour/figures/distances.svg").read_text()
    scratch = [p for p in (root / "scratch").rglob("*") if p.is_file() and "locks" not in p.parts]
    assert scratch == []  # the features are gone
    assert (root / one(plan, "metric").folder / "weights.safetensors").exists()


def test_stored_distances_are_the_metrics(finished: tuple[Path, Plan]) -> None:
    root, plan = finished
    store = Store(root)
    with h5py.File(store.file(one(plan, "neighbors"))) as file:
        index, distance = file["heldout_to_train/index"][:, 0], file["heldout_to_train/distance"][:, 0]
        rows, heldout = file["train_rows"][:], file["heldout_rows"][:]
    with h5py.File(store.file(one(plan, "dataset"))) as file:
        images = torch.from_numpy(file["images"][:]).float() / 127.5 - 1
    metric = squared_distance(load_perceptual("stlpips-alex", weights_of("stlpips-alex")))
    assert np.allclose(metric(images[heldout], images[rows[index]]).numpy(), distance, rtol=1e-4, atol=1e-8)
    with h5py.File(store.file(one(plan, "basin"))) as file:
        back, targets = (torch.from_numpy(file[f"train/{n}"][:]).float() / 127.5 - 1 for n in ("back", "images"))
        scanned = file["train/scanned"][:, 0, 0]
    # stored pictures are rounded to bytes
    assert np.allclose(metric(back[:, 0], targets).numpy(), scanned, rtol=0.2, atol=1e-4)


def test_a_file_of_weights_is_part_of_the_address(tmp_path: Path) -> None:
    path = save_backbone(tmp_path / "backbone.pth", "lpips-alex", seed=0)
    asked = {**config("lpips-alex", basin=None), "backbones": {"alex": str(path)}}
    plan = run_project(asked, tmp_path)
    save_backbone(path, "lpips-alex", seed=1)
    other = prepare(parse_config(asked), tmp_path)
    assert one(plan, "sample").address == one(other, "sample").address
    assert one(plan, "neighbors").address != one(other, "neighbors").address
    with pytest.raises(ValueError, match="has changed since this run started"):
        make(one(plan, "metric"), plan, tmp_path / "elsewhere")
    path.unlink()
    recorded = prepare(parse_config(asked), tmp_path)
    assert one(recorded, "neighbors").address == one(plan, "neighbors").address
    assert any("what was read from it before is used" in note for note in recorded.notes)
    with pytest.raises(ConfigError, match=r"backbones\.alex: .*there is no such file"):
        prepare(parse_config(asked), tmp_path / "elsewhere")


def test_thresholds_in_other_units_are_refused() -> None:
    wrong = config("stlpips-alex", neighbors={"metric": "pixels"})
    with pytest.raises(ConfigError, match=r"basin\.delta: 'delta_m' is a distance by neighbors.metric, 'pixels'"):
        parse_config(wrong)


def test_images_of_two_channels_have_no_perceptual_metric(tmp_path: Path) -> None:
    np.save(tmp_path / "two.npy", np.zeros((40, 2, 16, 16), np.uint8))
    asked = config("stlpips-alex")
    asked["datasets"]["photos"] = {"kind": "arrays", "path": str(tmp_path / "two.npy"), "deduplicate": False}
    with pytest.raises(ConfigError, match="needs images of 1 or 3 channels"):
        prepare(parse_config(asked), tmp_path)
