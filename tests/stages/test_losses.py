"""Losses by noise level and distances to closed forms, against models that are closed forms themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from amdiff.config import parse_config
from amdiff.phases.generalization import ModelLosses, best_step, excess, generalizes, standard_levels
from amdiff.plan import Plan
from tests.conftest import run_project

SIZES = [6, 40]


def config(memories: str, **changes: Any) -> dict[str, Any]:
    return {
        "datasets": {"digits": {"kind": "digits"}},
        "experiments": {
            "tiny": {
                "dataset": "digits",
                "sizes": SIZES,
                "denoiser": {"kind": "exact", "memories": memories},
                "sampling": {"steps": 10, "minimum": 24},
                "thresholds": {"method": "fixed", "delta_m": 0.5, "delta_s": 0.5},
                "basin": None, "curvature": None, "energy": None,
                "losses": {"count": 50, "levels": 6, "pool": 300}, **changes,
            }
        },
        "runtime": {"device": "cpu"},
    }  # fmt: skip


def measured(root: Path, plan: Plan) -> dict[int, dict[str, np.ndarray]]:
    found = {}
    for artifact in (a for a in plan.by_folder.values() if a.stage == "losses"):
        arrays: dict[str, np.ndarray] = {}
        with h5py.File(root / artifact.folder / "losses.h5", "r") as file:
            for group in ("train", "heldout"):
                arrays |= {f"{group}/{name}": array[:] for name, array in file[group].items()}
        found[artifact.params["size"]] = arrays
    return found


@pytest.fixture(scope="module")
def memories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    root = tmp_path_factory.mktemp("memories")
    return root, run_project(config("train"), root)


def test_the_exact_model_of_s_is_at_no_distance_from_it(memories: tuple[Path, Plan]) -> None:
    for size, found in measured(*memories).items():
        assert found["train/loss"].shape == (min(size, 50), 6)
        assert found["heldout/loss"].shape == (50, 6)
        for group in ("train", "heldout"):
            assert (found[f"{group}/distance_set"] == 0).all()
            assert (found[f"{group}/loss_set"] == found[f"{group}/loss"]).all()
            assert found[f"{group}/distance_pool"].mean() > 0
            assert found[f"{group}/distance_gaussian"].mean() > 0
        assert found["train/loss"][:, 0].max() < 1e-6  # it knows its images
        assert found["heldout/loss"][:, 0].min() > 10  # and no others


def test_held_out_images_and_their_noise_are_those_of_every_model(memories: tuple[Path, Plan]) -> None:
    small, large = measured(*memories).values()
    assert (small["heldout/row"] == large["heldout/row"]).all()
    assert (small["heldout/loss_pool"] == large["heldout/loss_pool"]).all()
    assert not np.isin(large["train/row"], large["heldout/row"]).any()


def test_the_gaussian_model_is_at_no_distance_from_the_gaussian(tmp_path: Path) -> None:
    plan = run_project(config("gaussian", losses={"count": 20, "levels": 4, "pool": 10_000}), tmp_path)
    for found in measured(tmp_path, plan).values():
        # the model is fitted to all images, the closed form to those that are not held out
        assert found["heldout/distance_gaussian"].mean() < 0.01 * found["heldout/distance_pool"].mean()


def test_the_page_tells_both_losses(memories: tuple[Path, Plan]) -> None:
    root, plan = memories
    report = root / plan.experiment("tiny").report.folder
    lines = (report / "tables/losses.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 6
    assert lines[0].startswith("K,t,noise_to_signal,loss_train,loss_train_low,loss_train_high,loss_set_train")
    page = (report / "report.html").read_text()
    assert "The noise-prediction loss, as the mean over 6 noise levels, is" in page
    assert "Distance of the score to closed forms" in page


def test_losses_can_be_left_out_and_given_samples_have_none() -> None:
    assert "losses" not in parse_config(config("train", losses=None)).experiments["tiny"].sections
    with pytest.raises(ValueError, match="levels"):
        parse_config(config("train", losses={"levels": 1}))


def model(loss: Any, pool: Any) -> ModelLosses:
    """A model with these losses on held-out images, and those of the pool; (n, t)."""
    values = {"loss": np.array(loss, float), "loss_pool": np.array(pool, float)}
    levels = values["loss"].shape[1]
    return ModelLosses(np.arange(levels), np.ones(levels), np.full(levels, 1 / levels), values, values, 10)


def test_the_excess_counts_levels_where_the_pool_is_a_standard() -> None:
    pool = [[9.0, 0.2, 0.1]] * 4
    models = [model([[1.0, 0.5, 0.2]] * 4, pool), model([[1.0, 0.1, 0.3]] * 4, pool)]
    levels = standard_levels(models)
    assert levels.tolist() == [False, False, True]  # at the first both are better, at the second one is
    np.testing.assert_allclose([excess(m, levels)[0] for m in models], [0.1, 0.2])


def test_chance_leaves_no_level_out() -> None:
    """Of many models that are hardly worse than the pool, some are better on these images by chance."""
    rng = np.random.default_rng(0)
    pool = np.full((500, 4), 0.1)
    models = [model(pool + 2e-4 + 0.01 * rng.normal(size=pool.shape), pool) for _ in range(40)]
    assert any((m.heldout["loss"] < m.heldout["loss_pool"]).mean() > 0.5 for m in models)
    assert standard_levels(models).all()


def test_generalization_begins_where_the_excess_is_near_its_best() -> None:
    rng = np.random.default_rng(0)
    steps = (10, 100, 1000, 10_000)
    excesses = np.array([1.0, 0.104, 0.1, 0.3])[:, None] + 0.001 * rng.normal(size=(1, 200))
    found = generalizes(steps, excesses)
    # the level .105 lies between 1.0 and 0.104, near the end
    assert 99 < found.low <= found.value <= found.high < 100
    assert found.censored == ""
    assert best_step(steps, excesses).value == 1000
    falling = generalizes(steps, excesses[[0, 3, 1, 2]] / np.array([[1.0], [1], [1], [2]]))
    assert falling.censored == "after"
    early = generalizes(steps, np.array([[0.1], [0.2], [0.3], [0.4]]) + np.zeros((4, 50)))
    assert (early.value, early.censored) == (pytest.approx(10), "before")


def test_the_interval_of_a_step_holds_what_other_images_would_find() -> None:
    """Images differ in when their loss is least, so with few images the step is uncertain."""
    rng = np.random.default_rng(1)
    steps = (1, 2, 4, 8)
    losses = np.array([1.0, 0.9, 0.9, 1.0])[:, None] + 0.3 * rng.normal(size=(4, 30))
    found = best_step(steps, losses)
    assert found.low < found.high
    assert found.low <= found.value <= found.high
