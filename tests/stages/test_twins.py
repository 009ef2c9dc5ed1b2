"""Twins: models of disjoint training sets, against models whose samples are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy

from amdiff.config import parse_config
from amdiff.errors import AmdiffError
from amdiff.files import read_json
from amdiff.neighbors import embed
from amdiff.neighbors.radius import cross_counts, cross_pairs
from amdiff.phases.rarefaction import parts_of
from amdiff.phases.twins import Joint, compare_twins, joint_sizes
from amdiff.plan import Plan
from amdiff.project import prepare
from amdiff.stages.hdf5 import read_h5
from tests.conftest import run_project


def config(memories: str, **changes: Any) -> dict[str, Any]:
    return {
        "datasets": {"digits": {"kind": "digits"}},
        "experiments": {
            "tiny": {
                "dataset": "digits",
                "sizes": [6, 12],
                "twins": [12],
                "denoiser": {"kind": "exact", "memories": memories},
                "sampling": {"steps": 50, "minimum": 48},
                "thresholds": {"method": "fixed", "delta_m": 0.5, "delta_s": 0.5},
                "basin": None, "curvature": None, "energy": None, **changes,
            }
        },
        "runtime": {"device": "cpu"},
    }  # fmt: skip


def result(root: Path, plan: Plan) -> dict[str, Any]:
    (artifact,) = [a for a in plan.by_folder.values() if a.stage == "twins"]
    return read_json(root / artifact.folder / "twins.json")


def test_two_memories_of_other_images_have_nothing_in_common(tmp_path: Path) -> None:
    plan = run_project(config("train"), tmp_path)
    found = result(tmp_path, plan)
    assert [found[name]["value"] for name in ("spurious", "coincidence", "agreement")] == [0, 0, 0]
    assert found["halves"] == {key: {"groups": 0, "median": 0, "largest": 0} for key in ("own", "chance")}
    (twins,) = [a for a in plan.by_folder.values() if a.stage == "twins"]
    (dataset,) = [a for a in plan.by_folder.values() if a.stage == "dataset"]
    (rows,) = read_h5(tmp_path / twins.parent("neighbors").folder / "neighbors.h5", "train_rows")
    (digits,) = read_h5(tmp_path / dataset.folder / "images.h5", "images")
    nearest = []
    for role in ("samples", "twin"):
        (samples,) = read_h5(tmp_path / twins.parents[role][0].folder / "samples.h5", "images")
        apart = (samples[:, None] / 127.5 - digits[rows][None] / 127.5).reshape(len(samples), len(rows), -1)
        nearest.append(np.linalg.norm(apart, axis=2).min(axis=1))
    assert nearest[0].max() < 0.5
    assert nearest[1].min() > 0.5  # the twin draws copies of other images
    page = (tmp_path / plan.experiment("tiny").report.folder / "report.html").read_text()
    assert "two models of disjoint training sets of K = 12 draw images" in page


def test_a_model_of_the_same_samples_agrees_with_itself(rng: np.random.Generator) -> None:
    """From the same noise come the same images, and chance is as large as recurrence."""
    images = rng.integers(0, 256, (60, 1, 2, 2), dtype=np.uint8)
    vectors, parts = embed(images, "pixels"), parts_of(60)
    flat = images.reshape(60, -1) / 127.5
    distance = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    own = ((distance <= 0.4) & ~np.eye(60, dtype=bool)).sum(axis=1)
    counts = cross_counts(vectors, embed(images, "pixels"), 0.4, parts)
    found = compare_twins(np.ones(60, bool), own, counts, parts, np.zeros(60), np.full(60, 2.0), 0.4, 60)
    assert found.agreement.value == 1
    assert found.coincidence.value == pytest.approx((own > 0).mean())
    assert found.twin_neighbours == found.neighbours
    assert (found.same_noise, found.other_noise) == (0, 2)


def test_groups_between_two_sets_are_those_of_their_near_pairs(rng: np.random.Generator) -> None:
    images = rng.integers(0, 8, (2, 80, 1, 2, 2), dtype=np.uint8) * 32  # some are byte-equal
    own, twin = (embed(i, "pixels") for i in images)
    flat = images.reshape(2, 80, -1) / 127.5
    near = np.linalg.norm(flat[0][:, None] - flat[1][None], axis=2) <= 0.5
    counted = np.arange(80) % 3 > 0
    near &= counted[:, None]
    graph = scipy.sparse.coo_array(np.block([[np.zeros_like(near), near], [near.T, np.zeros_like(near)]]))
    _, labels = scipy.sparse.csgraph.connected_components(graph, directed=False)
    expected = np.bincount(labels)
    members = [np.bincount(v.images.group[m], minlength=v.count) for v, m in ((own, counted), (twin, counted | True))]
    found = joint_sizes(*members, cross_pairs(own, twin, 0.5))
    assert found.tolist() == sorted(expected[expected > 1].tolist(), reverse=True)
    assert Joint.of(found) == Joint(len(found), float(np.median(found)), int(found.max()))
    assert Joint.of(found[:0]) == Joint(0, 0.0, 0)


def test_coincidences_are_counted_without_the_same_noise(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (2, 60, 1, 2, 2), dtype=np.uint8)
    own, twin = (embed(i, "pixels") for i in images)
    flat = images.reshape(2, 60, -1) / 127.5
    distance = np.linalg.norm(flat[0][:, None] - flat[1][None], axis=2)
    parts = parts_of(60)
    counts = cross_counts(own, twin, 0.4, parts)
    assert (counts.sum(axis=1) == (distance <= 0.4).sum(axis=1)).all()
    assert (counts[:, 3] == (distance[:, parts == 3] <= 0.4).sum(axis=1)).all()
    same, other = distance.diagonal(), distance[np.arange(60), (np.arange(60) + 1) % 60]
    found = compare_twins(np.ones(60, bool), np.zeros(60, np.int64), counts, parts, same, other, 0.4, 60)
    near = (distance <= 0.4) & ~np.eye(60, dtype=bool)
    assert found.coincidence.value == pytest.approx(near.any(axis=1).mean())
    with pytest.raises(AmdiffError, match="got 1"):
        compare_twins(np.ones(1, bool), np.zeros(1, np.int64), counts[:1, :1], parts[:1], same[:1], other[:1], 0.4, 1)


def test_mistakes(tmp_path: Path) -> None:
    for memories in ("heldout", "gaussian"):  # such a model does not depend on its training set
        with pytest.raises(ValueError, match="need a model that depends on its training set"):
            parse_config(config(memories))
    with pytest.raises(ValueError, match="twins: 7 are not among the sizes"):
        parse_config(config("train", twins=[7]))
    with pytest.raises(ValueError, match=r"needs 2000 training images.* there are 1797"):
        prepare(parse_config(config("train", sizes=[1000], twins=[1000])), tmp_path)
