"""Sorting a synthetic set of arrays: planted truths, and what the pipeline finds on the same images."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_digits

from amdiff.data.subsets import heldout_subset, training_subset
from amdiff.files import read_json
from amdiff.neighbors import embed
from amdiff.phases import CLASSES, FixedThresholds, HeldoutThresholds, ValleyThresholds, sort_samples
from amdiff.phases.classes import class_numbers
from amdiff.stages.stored_images import dataset_counts, dataset_images, sample_images
from amdiff.store import Store
from tests.conftest import SMALL, run_project


def planted() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Samples of which 120 are copies, 80 visits to ten new images, 200 new; training and held-out images; truth."""
    digits = (load_digits().images * 255 / 16).round().astype(np.uint8)[:, None]
    digits = digits[np.random.default_rng(1).permutation(len(digits))]
    train, heldout, new = digits[:700], digits[700:1000], digits[1000:]
    rng = np.random.default_rng(0)
    samples = np.concatenate([train[:120], new[rng.integers(10, size=80)], new[10:210]])
    noise = rng.integers(-3, 4, samples.shape)
    return (samples + noise).clip(0, 255).astype(np.uint8), train, heldout, np.repeat([0, 1, 2], [120, 80, 200])


@pytest.mark.parametrize("as_features", [False, True])
@pytest.mark.parametrize("with_heldout", [False, True])
def test_planted_classes_are_found(as_features: bool, with_heldout: bool) -> None:
    samples, train, heldout, truth = planted()
    if as_features:
        samples, train, heldout = (x.reshape(len(x), -1) / 255 for x in (samples, train, heldout))
    found = sort_samples(embed(samples), embed(train), embed(heldout) if with_heldout else None)
    assert found.heldout == with_heldout
    assert (found.phases.classes == truth).mean() >= 0.99
    for number, name in enumerate(CLASSES):
        share = found.phases.fractions[name]
        assert share.low <= (truth == number).mean() <= share.high
    assert found.phases.attractors.size[found.phases.attractors.proper].sum() >= 78
    assert (found.tables.samples_to_train.index[:120, 0] == np.arange(120)).mean() > 0.99


def test_the_pipeline_finds_the_same(tmp_path: Path) -> None:
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"] |= {"sizes": [16]} | dict.fromkeys(("basin", "curvature", "energy"))
    plan = run_project(config, tmp_path)
    experiment, store = plan.experiment("tiny"), Store(tmp_path)
    spec, (model,), (classified,) = experiment.spec, experiment.models, experiment.report.parents["classify"]
    count, test = dataset_counts(store, experiment.dataset)
    images = dataset_images(store, experiment.dataset)
    rows = np.sort(training_subset(count, 16, spec.subset_seed))
    held = heldout_subset(count, test, 16, spec.subset_seed, spec.neighbors.heldout_limit)
    samples = sample_images(store, model.shards)
    found = sort_samples(
        embed(samples.rows(np.arange(samples.shape[0]))),
        embed(images.rows(rows)),
        embed(images.rows(held)),
        thresholds=spec.thresholds,
    )
    table = pq.read_table(store.path(classified, "samples.parquet"))
    summary = read_json(store.path(classified, "summary.json"))
    assert np.array_equal(found.phases.classes, class_numbers(table["class"].to_pylist()))
    assert found.thresholds.delta_m.value == summary["delta_m"]
    assert found.thresholds.delta_s.value == summary["delta_s"]
    assert {n: found.phases.fractions[n]._asdict() for n in CLASSES} == summary["fractions"]
    assert np.array_equal(rows[found.tables.samples_to_train.index[:, 0]], table["train_neighbor_1"].to_numpy())
    assert found.phases.attractors.size.tolist() == [a["size"] for a in summary["attractors"]["table"]]


def test_thresholds_are_found_as_asked() -> None:
    samples, train, heldout, _ = planted()
    sets = [embed(x) for x in (samples, train, heldout)]
    fixed = sort_samples(*sets, thresholds=FixedThresholds(method="fixed", delta_m=1e9, delta_s=0.1))
    assert (fixed.phases.classes == 0).all()
    assert sort_samples(*sets, thresholds=HeldoutThresholds(method="heldout")).thresholds.delta_m.method == "heldout"
    assert sort_samples(*sets, thresholds=ValleyThresholds(method="valley")).thresholds.delta_m.method == "valley"


def test_too_few_are_refused() -> None:
    samples, train, heldout, _ = planted()
    with pytest.raises(ValueError, match="got 1, at least 2"):
        sort_samples(embed(samples[:1]), embed(train))
    with pytest.raises(ValueError, match="k = 1"):
        sort_samples(embed(samples), embed(train), k=1)
    with pytest.raises(ValueError, match="fewer than 20"):
        sort_samples(embed(samples), embed(train), embed(heldout[:10]))
    once = embed(samples)
    with pytest.raises(ValueError, match="three sets"):
        sort_samples(once, once)
    with pytest.raises(ValueError, match=r"train: expected a set that neighbors\.embed made, got ndarray"):
        inspect.unwrap(sort_samples)(once, train)  # as outside the tests, where types are not checked
