"""Sources of one's own: their content is part of the address, also when they are gone."""

from __future__ import annotations

import copy
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from amdiff.config import ConfigError, parse_config, read_config
from amdiff.frozen import freeze, thaw
from amdiff.project import prepare
from amdiff.stages import make
from tests.conftest import TOY, run_project


@pytest.fixture
def config(tmp_path: Path, rng: np.random.Generator) -> dict[str, Any]:
    folder = tmp_path / "mine"
    folder.mkdir()
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(folder / f"{i:02}.png")
    shutil.copy(folder / "00.png", folder / "zz.png")
    return {
        "datasets": {"mine": {"kind": "folder", "path": str(folder)}},
        "experiments": {
            "e": {
                "dataset": "mine",
                "sizes": [2, 8],
                "denoiser": {"kind": "exact"},
                "thresholds": {"method": "fixed", "delta_m": 1, "delta_s": 1},
            }
        },
    }


def address(config: dict[str, Any], root: Path) -> str:
    return prepare(parse_config(config), root).experiments[0].dataset.address


def test_changed_files_mean_a_new_address(config: dict[str, Any], tmp_path: Path) -> None:
    first = address(config, tmp_path)
    assert address(config, tmp_path) == first
    Image.fromarray(np.zeros((6, 6, 3), np.uint8)).save(tmp_path / "mine/00.png")
    assert address(config, tmp_path) != first


def test_a_moved_source_keeps_its_address(config: dict[str, Any], tmp_path: Path) -> None:
    first = address(config, tmp_path)
    (tmp_path / "mine").rename(tmp_path / "elsewhere")
    config["datasets"]["mine"]["path"] = str(tmp_path / "elsewhere")
    assert address(config, tmp_path) == first


def test_a_source_that_is_gone_is_known_by_its_canonical_form(config: dict[str, Any], tmp_path: Path) -> None:
    plan = prepare(parse_config(config), tmp_path)
    make(plan.experiments[0].dataset, plan, tmp_path)
    shutil.rmtree(tmp_path / "mine")
    assert address(config, tmp_path) == plan.experiments[0].dataset.address
    (note,) = prepare(parse_config(config), tmp_path).notes
    assert "what was read from it before is used" in note
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(ConfigError, match=r"datasets\.mine: .*mine: there is no such file or folder"):
        prepare(parse_config(config), tmp_path)


def test_files_that_change_under_a_run_are_noticed(config: dict[str, Any], tmp_path: Path) -> None:
    plan = prepare(parse_config(config), tmp_path)
    (tmp_path / "mine/00.png").unlink()
    with pytest.raises(ValueError, match="has changed since this run started"):
        make(plan.experiments[0].dataset, plan, tmp_path)


def test_k_counts_distinct_images(config: dict[str, Any], tmp_path: Path) -> None:
    """13 files, 12 distinct: before the dataset is made the files bound K, then the distinct images do."""
    config["experiments"]["e"]["sizes"] = [13]
    plan = prepare(parse_config(config), tmp_path)
    make(plan.experiments[0].dataset, plan, tmp_path)
    with pytest.raises(ConfigError, match="K = 13, but dataset 'mine' has 12 training images"):
        prepare(parse_config(config), tmp_path)
    config["experiments"]["e"]["sizes"] = [14]
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(ConfigError, match="K = 14, but dataset 'mine' has 13 training images"):
        prepare(parse_config(config), tmp_path)


@pytest.mark.parametrize(
    ("sizes", "change", "message"),
    [
        (
            [16, 1790],
            {"thresholds": {"method": "heldout"}},
            "K = 1790 leaves 7 held-out images, but the threshold method 'heldout' needs 20",
        ),
        ([1790], {}, "K = 1790 leaves 7 held-out images"),
        ([1000], {"denoiser": {"kind": "exact", "memories": "heldout"}}, "'memories: heldout' needs 1000"),
    ],
)
def test_held_out_images_are_counted_before_work_starts(
    tmp_path: Path, sizes: list[int], change: dict[str, Any], message: str
) -> None:
    experiment = {"dataset": "digits", "sizes": sizes, "denoiser": {"kind": "exact"}, **change}
    config = {"datasets": {"digits": {"kind": "digits"}}, "experiments": {"e": experiment}}
    with pytest.raises(ConfigError, match=message):
        prepare(parse_config(config), tmp_path)


def arrays(folder: Path, **counts: int) -> list[str]:
    """Paths of so many random images each."""
    for name, count in counts.items():
        np.save(folder / f"{name}.npy", np.random.default_rng(count).integers(0, 256, (count, 1, 6, 6), np.uint8))
    return [str(folder / f"{name}.npy") for name in counts]


def test_references_are_training_images(tmp_path: Path) -> None:
    train, heldout = arrays(tmp_path, train=4, heldout=40)
    dataset = {"kind": "arrays", "path": train, "heldout": heldout}
    experiment = {"dataset": "mine", "sizes": [4], "denoiser": {"kind": "exact"}, "energy": {"references": 5}}
    with pytest.raises(ConfigError, match="5 were asked for, but there are 4 training images"):
        prepare(parse_config({"datasets": {"mine": dataset}, "experiments": {"e": experiment}}), tmp_path)


def test_images_that_stand_for_held_out_ones_are_counted(tmp_path: Path) -> None:
    paths = zip(("train", "samples"), arrays(tmp_path, train=12, samples=40), strict=True)
    datasets = {name: {"kind": "arrays", "path": path, "deduplicate": False} for name, path in paths}
    experiment = {"dataset": "train", "sizes": [12], "denoiser": {"kind": "given", "samples": "samples"}}
    with pytest.raises(ConfigError, match=r"of method 'valley' need 20, got 12; give held-out images"):
        prepare(parse_config({"datasets": datasets, "experiments": {"e": experiment}}), tmp_path)


def test_names_that_are_not_utf8(config: dict[str, Any], tmp_path: Path) -> None:
    before = prepare(parse_config(config), tmp_path).experiments[0].dataset.address
    (tmp_path / "mine/00.png").rename(tmp_path / "mine" / os.fsdecode(b"caf\xe9.png"))
    assert prepare(parse_config(config), tmp_path).experiments[0].dataset.address != before


def test_a_plan_is_read_where_nothing_can_be_written(config: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "scratch").write_text("no folder")
    assert prepare(parse_config(config), tmp_path).experiments


@pytest.mark.parametrize("sizes", [[1, 2], [16, 1797]], ids=["K = 1", "K = N"])
def test_the_smallest_and_the_largest_training_sets(tmp_path: Path, sizes: list[int]) -> None:
    """One image; and all images, with none held out: from the data to the report."""
    experiment = {
        "dataset": "digits",
        "sizes": sizes,
        "denoiser": {"kind": "exact"},
        "sampling": {"steps": 5},
        "basin": {"count": 4, "train_count": 4, "copies": 2, "stride": 300, "steps": 4},
        "curvature": {"count": 2, "train_count": 2, "times": [2]},
        "energy": {"count": 4, "train_count": 4},
    }
    if sizes[-1] == 1797:
        experiment["sampling"] = {"steps": 2, "per_image": 1}
    config = {
        "datasets": {"digits": {"kind": "digits"}},
        "experiments": {"e": experiment},
        "runtime": {"device": "cpu"},
    }
    run_project(config, tmp_path)
    assert (tmp_path / "results/e/report.html").exists()


def test_a_source_that_changed_and_went_is_asked_for(config: dict[str, Any], tmp_path: Path) -> None:
    for content in (0, 1):
        Image.fromarray(np.full((6, 6, 3), content, np.uint8)).save(tmp_path / "mine/00.png")
        plan = prepare(parse_config(config), tmp_path)
        make(plan.experiments[0].dataset, plan, tmp_path)
    shutil.rmtree(tmp_path / "mine")
    with pytest.raises(
        ConfigError, match=r"several versions were read from there before: choose one by 'sources: \{mine: "
    ):
        prepare(parse_config(config), tmp_path)


def test_the_circle_is_made_when_asked_for(small: dict[str, Any], tmp_path: Path) -> None:
    small["datasets"]["ring"] = {"kind": "circle", "count": 500}
    plan = prepare(parse_config(small), tmp_path)
    (folder,) = [f for f in plan.datasets if "/ring/" in f]
    assert folder not in plan.by_folder
    make(plan.artifact(folder), plan, tmp_path)
    with h5py.File(tmp_path / folder / "images.h5") as file:
        assert (file["points"].shape, file["points"].dtype) == ((500, 2), np.float32)
        assert np.allclose(np.linalg.norm(file["points"][:], axis=1), 1)


def test_a_narrow_mlp_is_remarked_upon(small: dict[str, Any], tmp_path: Path) -> None:
    assert prepare(parse_config(small), tmp_path).notes == ()
    small["experiments"]["tiny"]["denoiser"]["width"] = 63
    (note,) = prepare(parse_config(small), tmp_path).notes
    assert "experiments.tiny.denoiser" in note
    assert "width is 63, the images have 64 values" in note


def test_a_frozen_configuration_gives_the_same_plan(config: dict[str, Any], tmp_path: Path) -> None:
    plan = prepare(parse_config(config), tmp_path)
    frozen = freeze(plan.config, tmp_path)
    shutil.rmtree(tmp_path / "mine")
    assert thaw(tmp_path / frozen).by_folder.keys() == plan.by_folder.keys()
    assert freeze(plan.config, tmp_path) == frozen
    assert read_config(tmp_path / frozen) == plan.config


def test_an_average_longer_than_its_training_is_noted(tmp_path: Path) -> None:
    experiment = {
        "dataset": "digits",
        "sizes": [40],
        "denoiser": {"kind": "mlp", "width": 70},
        "training": {"iterations": 1500, "ema_warmup": False},
    }

    def notes() -> tuple[str, ...]:
        config = {"datasets": {"digits": {"kind": "digits"}}, "experiments": {"e": experiment}}
        return prepare(parse_config(config), tmp_path).notes

    (note,) = notes()
    assert "86% of the averaged weights are still those of the untrained network after 1,500 steps" in note
    experiment["training"] = {"iterations": 1500}
    assert notes() == ()  # the average warms up unless it is told otherwise
    experiment["training"] = {"iterations": 100_000, "ema_warmup": False}
    assert notes() == ()


def test_closed_forms_on_the_circle_run_from_a_frozen_configuration(tmp_path: Path) -> None:
    """A frozen configuration spells out every default, a training that there is none of among them."""
    config = copy.deepcopy(TOY)
    config["experiments"]["ring"] = {
        key: value for key, value in config["experiments"]["ring"].items() if key != "training"
    } | {"denoiser": {"kind": "exact"}}
    plan = prepare(parse_config(config), tmp_path)
    frozen = thaw(tmp_path / freeze(plan.config, tmp_path), tmp_path)
    assert frozen.by_folder.keys() == plan.by_folder.keys()
    for artifact in frozen.by_folder.values():
        make(artifact, frozen, tmp_path)
    config["experiments"]["ring"]["training"] = {"iterations": 3}
    with pytest.raises(ConfigError, match=r"experiments\.ring: training: the denoiser 'exact' is not trained; leave"):
        parse_config(config)
