"""Mistakes in a configuration: one line that names the key, the value and what is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from amdiff.config import Config, ConfigError, RuntimeSpec, json_schema, parse_config, read_config
from tests.conftest import REPO


def edit(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    *parents, last = key.split(".")
    block = config
    for parent in parents:
        block = block.setdefault(parent, {})
    block[last] = value
    return config


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("experiments.tiny.sizs", [3], "experiments.tiny.sizs: unknown key; did you mean 'sizes'?"),
        ("experiments.tiny.denoiser.widht", 3, "experiments.tiny.denoiser.widht: unknown key; did you mean 'width'?"),
        ("experiments.tiny.denoiser.width", "abc", "experiments.tiny.denoiser.width: got 'abc'"),
        ("experiments.tiny.denoiser.kind", "gan", "experiments.tiny.denoiser.kind: got 'gan'; allowed: 'mlp'"),
        ("experiments.tiny.denoiser", {"width": 8}, "experiments.tiny.denoiser: 'kind' is required"),
        ("experiments.tiny.sizes", [0, 4], "experiments.tiny.sizes.0: got 0"),
        ("experiments.tiny.sizes", [], "experiments.tiny.sizes: sizes must name at least one K"),
        ("experiments.tiny.sizes", [4, 4], "sizes must be distinct"),
        ("experiments.tiny.sizes", "4", "experiments.tiny.sizes: got '4'"),
        (
            "experiments.tiny.training.learning_rate",
            -1,
            "training.learning_rate: got -1; input should be greater than 0",
        ),
        ("experiments.tiny.training.learning_rate", float("nan"), "learning_rate: got nan"),
        ("experiments.tiny.training.iterations_by_size", {32: 0}, "iterations_by_size.32: got 0"),
        ("experiments.tiny.dataset", "mnist", "experiments.tiny.dataset: no dataset 'mnist'; known: digits"),
        ("experiments.tiny.sampling.eta", 0.5, "eta belongs to sampler 'ddim'"),
        ("experiments.tiny.sampling.steps", 2000, "sampling.steps 2000 exceeds diffusion.steps 1000"),
        (
            "experiments.tiny.thresholds",
            {"method": "fixed"},
            "experiments.tiny.thresholds.delta_m: required, but missing",
        ),
        ("experiments.tiny.thresholds.softness", 0.1, "experiments.tiny.thresholds.softness: unknown key"),
        ("datasets.digits.kind", "digitz", "datasets.digits.kind: got 'digitz'"),
        ("datasets.Bad Name", {"kind": "digits"}, "dataset name 'Bad Name'"),
        ("datasets.ring", {"kind": "circle", "count": 1}, "datasets.ring.count: got 1"),
        ("datasets.mine", {"kind": "arrays", "path": "x.npy", "range": [1, 0]}, "black < white"),
        ("experiments.tiny.neighbors.heldout_limit", 0, "need neighbors.heldout_limit >= 20, got 0"),
        ("experiments.tiny.denoiser", {"kind": "exact"}, "the denoiser 'exact' is not trained"),
        ("experiments", {}, "experiments: name at least one"),
        ("experiments.train", {"dataset": "digits", "sizes": [2], "denoiser": {"kind": "exact"}}, "taken by a rule"),
        ("experiments.tiny.thresholds.sensitivity", [0.5, 2.0], "with 1.0 among them"),
        ("experiments.tiny.diffusion", {"beta_end": 0.99, "steps": 2000}, "leave no signal at all"),
        ("experiments.tiny.diffusion", {"beta_end": 0.35}, "alpha_bar_T is exp(-2"),
        (
            "experiments.tiny.diffusion",
            {"beta_end": 0.9999},
            "alpha_bar_T is exp(-1003), at least exp(-150) was expected",
        ),
        ("datasets.ring", {"kind": "circle", "seed": 2**32}, "less than 4294967296"),
        ("runtime", 3, "runtime: got 3"),
        ("runtime.device", "tpu", "runtime.device: got 'tpu'"),
    ],
)
def test_each_mistake_is_explained(small: dict[str, Any], key: str, value: Any, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(edit(small, key, value))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_reported_at_once(small: dict[str, Any]) -> None:
    edit(small, "experiments.tiny.sizes", [0])
    edit(small, "experiments.tiny.denoiser.width", 0)
    with pytest.raises(ConfigError, match=r"sizes\.0.*denoiser\.width"):
        parse_config(small)


@pytest.mark.parametrize("content", ["", "- 1", "a: [", "\xff"])
def test_files_that_are_no_configuration(tmp_path: Path, content: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        read_config(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        read_config(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    "path", [REPO / "config.yaml", *sorted((REPO / "workflow/config").glob("*.yaml"))], ids=lambda p: p.name
)
def test_configurations_of_the_repository_are_valid(path: Path) -> None:
    found = read_config(path)
    assert found.experiments or found.prompts


def test_the_default_configuration_spells_out_what_matters() -> None:
    """Every setting of an experiment stands in config.yaml, so that a newcomer sees what there is."""
    written = yaml.safe_load((REPO / "config.yaml").read_text())
    for name, experiment in read_config(REPO / "config.yaml").experiments.items():
        blocks = written["experiments"][name]
        assert blocks.keys() == type(experiment).model_fields.keys()
        for key, block in experiment:
            if isinstance(block, BaseModel):
                assert blocks[key].keys() == type(block).model_fields.keys()
    assert written["runtime"].keys() == RuntimeSpec.model_fields.keys()


def test_the_schema_file_is_current() -> None:
    assert (REPO / "workflow/config/schema.json").read_text() == json_schema()
    assert json.loads(json_schema())["properties"].keys() == Config.model_fields.keys()


def test_local_settings_are_no_part_of_the_identity() -> None:
    mine = {"kind": "folder", "path": "/somewhere"}
    experiment = {"dataset": "mine", "sizes": [2], "denoiser": {"kind": "exact"}}
    config = parse_config({"datasets": {"mine": mine}, "experiments": {"e": experiment}})
    assert "path" not in config.datasets["mine"].identity()


def test_iterations_may_depend_on_the_size(small: dict[str, Any]) -> None:
    edit(small, "experiments.tiny.training.iterations_by_size", {8: 100, 32: 200})
    training = parse_config(small).experiments["tiny"].training
    assert [training.iterations_for(k) for k in (4, 8, 9, 32, 33)] == [100, 100, 200, 200, 60]
