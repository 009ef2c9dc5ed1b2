"""The science, end to end through the stages, on planted truths that need no training."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from amdiff.files import read_json
from tests.conftest import run_project


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Closed-form denoisers on the digits, K in {32, 64}, |S'| = 16 K, thresholds from held-out images."""
    root = tmp_path_factory.mktemp("planted")
    shared = {
        "dataset": "digits",
        "sizes": [32, 64],
        "sampling": {"steps": 100, "per_image": 16},
        "thresholds": {"method": "heldout", "bootstrap": 20},
        "basin": {"count": 12, "train_count": 8, "copies": 4, "scan": [1.0]},
        "curvature": {"count": 8, "train_count": 8, "times": [2]},
        "energy": {"count": 12, "train_count": 16, "references": 2},
    }
    kinds = ("train", "heldout", "gaussian")
    experiments = {f"from-{kind}": {**shared, "denoiser": {"kind": "exact", "memories": kind}} for kind in kinds}
    config = {"datasets": {"digits": {"kind": "digits"}}, "experiments": experiments, "runtime": {"device": "cpu"}}
    run_project(config, root)
    return root


def fractions(root: Path, experiment: str) -> list[dict[str, float]]:
    with (root / "results" / experiment / "tables" / "fractions.csv").open() as stream:
        return [{k: float(v or "nan") for k, v in row.items()} for row in csv.DictReader(stream)]


def test_memories_that_are_the_training_set_are_memorized(planted: Path) -> None:
    for row in fractions(planted, "from-train"):
        assert row["memorized"] == 1.0
        assert row["memorized_low"] > 0.99


def test_memories_that_are_held_out_are_spurious(planted: Path) -> None:
    for row in fractions(planted, "from-heldout"):
        assert row["spurious"] >= 0.95
        assert row["spurious_proper"] >= 0.95


def test_a_gaussian_generalizes(planted: Path) -> None:
    for row in fractions(planted, "from-gaussian"):
        assert row["generalized"] >= 0.99


def test_the_table_of_fractions_keeps_its_columns(planted: Path) -> None:
    classes = ("memorized", "spurious", "generalized")
    columns = ["K", *(f"{c}{end}" for c in classes for end in ("", "_low", "_high"))]
    row = fractions(planted, "from-train")[0]
    assert list(row)[:14] == [*columns, "delta_m", "delta_s", "n_train", "n_synthetic"]
    assert (row["K"], row["n_train"], row["n_synthetic"]) == (32, 32, 512)
    for row in fractions(planted, "from-heldout"):
        assert row["memorized"] + row["spurious"] + row["generalized"] == pytest.approx(1, abs=1e-12)


def test_every_memory_is_an_attractor(planted: Path) -> None:
    with (planted / "results/from-heldout/tables/attractors.csv").open() as stream:
        rows = [r for r in csv.DictReader(stream) if r["K"] == "64"]
    spurious = [r for r in rows if r["kind"] == "spurious"]
    assert len(spurious) >= 60
    assert max(int(r["size"]) for r in spurious) > 16


def test_exact_duplicates_are_each_others_neighbours(planted: Path) -> None:
    table = pq.read_table(planted / "results/from-heldout/tables/samples.parquet")
    zero = np.array(table["sample_distance_1"]) == 0
    assert zero.mean() > 0.9
    assert (np.array(table["sample_neighbor_1"]) != np.array(table["index"])).all()
    assert set(table["class"].to_pylist()) <= {"memorized", "spurious", "generalized"}


def test_the_table_of_samples_points_at_the_data(planted: Path) -> None:
    """Distances in the table are those of the images that its indices name."""
    table = pq.read_table(planted / "results/from-gaussian/tables/samples.parquet", filters=[("K", "=", 64)])
    (dataset,) = (planted / "data/canonical/digits").glob("*/images.h5")
    specs = [
        (p.parent, read_json(p)["params"]) for p in (planted / "artifacts/digits/sample").glob("K00064-*/spec.json")
    ]
    shards = sorted((p["start"], folder) for folder, p in specs if p["denoiser"]["memories"] == "gaussian")
    images, seeds = [], []
    for _, folder in shards:
        with h5py.File(folder / "samples.h5") as shard:
            images.append(shard["images"][:])
            seeds += shard["seed"][:].tolist()
    assert seeds == [[0, i] for i in range(1024)]
    with h5py.File(dataset) as file:
        real, synthetic = file["images"][:] / 127.5, np.concatenate(images) / 127.5
    index, near, other = (np.array(table[c]) for c in ("index", "train_neighbor_1", "sample_neighbor_1"))
    to_train = np.linalg.norm((synthetic[index] - real[near]).reshape(len(index), -1), axis=1)
    to_samples = np.linalg.norm((synthetic[index] - synthetic[other]).reshape(len(index), -1), axis=1)
    assert np.allclose(to_train, np.array(table["train_distance_1"]), atol=1e-9)
    assert np.allclose(to_samples, np.array(table["sample_distance_1"]), atol=1e-9)


def test_summaries_carry_what_later_stages_need(planted: Path) -> None:
    for path in (planted / "artifacts/digits/classify").glob("*/summary.json"):
        summary = read_json(path)
        for shares in (summary["fractions"], summary["whole"]):
            counted = [shares[n]["value"] for n in ("memorized", "spurious", "generalized")]
            assert sum(counted) == pytest.approx(1, abs=1e-12)
        near = summary["near_copies"]["spurious"]
        total = near["near"]["value"] + near["new"]["value"]
        assert total == pytest.approx(summary["fractions"]["spurious"]["value"], abs=1e-12)
        split = summary["spurious_split"]
        assert split["halo"] + split["proper"] == pytest.approx(summary["whole"]["spurious"]["value"], abs=1e-12)
