"""Other measures of copying, as a stage: against brute force on the images themselves."""

from __future__ import annotations

import copy
import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from amdiff.config import ConfigError, parse_config
from amdiff.data.subsets import training_subset
from amdiff.files import read_json
from amdiff.stages.stored_images import dataset_images, sample_images
from amdiff.store import Store
from tests.conftest import SMALL, run_project


@pytest.mark.parametrize("copies", [False, True])
def test_all_measures_are_those_of_brute_force(tmp_path: Path, copies: bool) -> None:
    config = copy.deepcopy(SMALL)
    if copies:
        del config["experiments"]["tiny"]["training"]
        config["experiments"]["tiny"]["denoiser"] = {"kind": "exact"}
    config["experiments"]["tiny"] |= {"sizes": [12], "peers": {"following": 3}}
    config["experiments"]["tiny"] |= dict.fromkeys(("basin", "curvature", "energy"))
    plan = run_project(config, tmp_path)
    experiment, store = plan.experiment("tiny"), Store(tmp_path)
    (artifact,) = experiment.report.parents["peers"]
    images = dataset_images(store, experiment.dataset)
    rows = np.sort(training_subset(images.shape[0], 12, experiment.spec.subset_seed))
    train = images.rows(rows).reshape(12, -1).astype(float)
    samples = sample_images(store, experiment.models[0].shards).rows(np.arange(48)).reshape(48, -1).astype(float)
    pairs = np.sqrt(((samples[:, None] - train) ** 2).sum(-1))
    within = np.sqrt(((train[:, None] - train) ** 2).sum(-1))
    np.fill_diagonal(within, np.inf)
    ordered = np.sort(pairs, axis=1)

    found = pq.read_table(store.path(artifact, "peers.parquet")).to_pydict()
    assert np.allclose(found["ratio_second"], ordered[:, 0] / ordered[:, 1])
    assert np.allclose(found["ratio_next"], ordered[:, 0] / ordered[:, 1:4].mean(axis=1))
    assert found["authentic"] == (pairs.min(axis=1) > within.min(axis=1)[pairs.argmin(axis=1)]).tolist()

    summary = read_json(store.path(artifact, "peers.json"))
    for name in ("ratio_second", "ratio_next"):
        theirs = summary["copies"][name]
        assert theirs["share"] == pytest.approx((np.array(found[name]) < 1 / 3).mean())
        assert theirs["both"] + theirs["theirs_only"] + theirs["ours_only"] + theirs["neither"] == 48
    assert (summary["copies"]["authpct"]["share"] > 0.5) == copies
    assert (summary["c_t"]["value"] < -3) == copies
    assert len(summary["c_t"]["z"]) == 1  # twelve training images are one cell
    with (tmp_path / "results/tiny/tables/peers.csv").open() as stream:
        assert [row["measure"].split(" (")[0] for row in csv.DictReader(stream)] == [
            "nearest / second nearest", "nearest / mean of the next", "not authentic",
        ]  # fmt: skip


def test_one_training_image_has_no_ratio(tmp_path: Path) -> None:
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"] |= {"sizes": [1], "peers": {}}
    config["experiments"]["tiny"] |= dict.fromkeys(("basin", "curvature", "energy"))
    plan = run_project(config, tmp_path)
    (artifact,) = plan.experiment("tiny").report.parents["peers"]
    copies = read_json(Store(tmp_path).path(artifact, "peers.json"))["copies"]
    assert copies["ratio_second"] is None
    assert copies["ratio_next"] is None
    assert copies["authpct"] is None  # there is no other image that could be nearer to it


def test_more_neighbours_than_are_kept_are_refused() -> None:
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"]["peers"] = {"following": 5}
    with pytest.raises(ConfigError, match=r"peers.following 5 must be less than neighbors.k 5"):
        parse_config(config)
