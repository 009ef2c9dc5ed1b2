"""Addresses: what changes them, what must not."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, strategies as st

from amdiff.config import ANALYSES, ConfigError, SamplingSpec, parse_config
from amdiff.plan import Plan, build_plan
from tests.addresses import CONFIGURATIONS, RECORD, addresses


def plan_of(config: dict[str, Any]) -> Plan:
    return build_plan(parse_config(config))


def changed_stages(before: dict[str, Any], after: dict[str, Any]) -> dict[str, int]:
    """Number of artifacts of each stage that the second configuration adds."""
    old = set(plan_of(before).by_folder)
    added = [a for folder, a in plan_of(after).by_folder.items() if folder not in old]
    return {stage: sum(a.stage == stage for a in added) for stage in {a.stage for a in added}}


def variant(small: dict[str, Any], **blocks: dict[str, Any]) -> dict[str, Any]:
    tiny = small["experiments"]["tiny"]
    merged = {k: {**tiny.get(k, {}), **v} if isinstance(v, dict) else v for k, v in blocks.items()}
    return {**small, "experiments": {"tiny": {**tiny, **merged}}}


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_addresses_are_those_on_record(configuration: str) -> None:
    """Whoever changes one on purpose records it: python -m tests.addresses --record."""
    assert addresses(configuration) == json.loads(RECORD.read_text())[configuration]


def test_changing_a_threshold_remakes_what_depends_on_it_only(small: dict[str, Any]) -> None:
    after = variant(small, thresholds={"quantile": 0.01})
    assert changed_stages(small, after) == {"thresholds": 1, "classify": 2, **dict.fromkeys(ANALYSES, 2), "report": 1}


def test_changing_the_learning_rate_remakes_all_but_the_data(small: dict[str, Any]) -> None:
    after = variant(small, training={"learning_rate": 0.001})
    expected = {"train": 2, "losses": 2, "sample": 2, "neighbors": 2, "thresholds": 1, "classify": 2, "report": 1}
    assert changed_stages(small, after) == {**expected, **dict.fromkeys(ANALYSES, 2)}


def test_adding_a_size_with_thresholds_for_each_k_adds_that_size_only(small: dict[str, Any]) -> None:
    before = variant(small, thresholds={"pooled": False})
    after = variant(before, sizes=[4, 8, 16])
    stages = ("train", "losses", "sample", "neighbors", "thresholds", "classify", *ANALYSES, "report")
    expected = dict.fromkeys(stages, 1)
    assert changed_stages(before, after) == expected


def test_adding_a_size_with_pooled_thresholds_keeps_models_and_samples(small: dict[str, Any]) -> None:
    after = variant(small, sizes=[4, 8, 16])
    assert changed_stages(small, after) == {
        "train": 1,
        "losses": 1,
        "sample": 1,
        "neighbors": 1,
        "thresholds": 1,
        "classify": 3,
        **dict.fromkeys(ANALYSES, 3),
        "report": 1,
    }


def test_runtime_changes_no_address(small: dict[str, Any]) -> None:
    after = {**small, "runtime": {"device": "auto", "sampling_batch": 3, "neighbor_memory_mb": 16}}
    assert plan_of(small).by_folder.keys() == plan_of(after).by_folder.keys()


def test_values_without_effect_change_no_address(small: dict[str, Any]) -> None:
    def dataset(**options: Any) -> str:
        return plan_of({**small, "datasets": {"digits": {"kind": "digits", **options}}}).experiments[0].dataset.address

    assert dataset(resample="bicubic") == dataset()
    assert dataset(resample="bicubic", resize=4) != dataset(resize=4)
    all_steps, none = (variant(small, sampling={"steps": steps}) for steps in (1000, None))
    assert changed_stages(all_steps, none) == {"report": 1}


def test_what_decides_figures_only_remakes_the_report_only(small: dict[str, Any]) -> None:
    for block, values in (
        ("basin", {"scan": [0.7, 1.0], "check": 5}),
        ("curvature", {"threshold": 0.2, "skip": 0, "rows_per_dimension": 9, "seed": 4}),
    ):
        assert changed_stages(small, variant(small, **{block: values})) == {"report": 1}
    assert changed_stages(small, variant(small, basin={"scan": [1.0, 3.0]})) == {"basin": 2, "report": 1}
    assert changed_stages(small, variant(small, curvature={"directions": "gaussian"})) == {"curvature": 2, "report": 1}
    assert changed_stages(small, variant(small, energy={"references": 3})) == {"energy": 2, "report": 1}


def test_experiments_that_share_a_step_share_its_artifact(small: dict[str, Any]) -> None:
    tiny = small["experiments"]["tiny"]
    small["experiments"]["more"] = {**tiny, "sampling": {**tiny["sampling"], "per_image": 8}}
    tiny_plan, more_plan = plan_of(small).experiments
    for a, b in zip(tiny_plan.models, more_plan.models, strict=True):
        assert a.train.address == b.train.address
        assert {s.address for s in a.shards} <= {s.address for s in b.shards}


def test_a_batch_larger_than_the_training_set_is_that_of_the_training_set(small: dict[str, Any]) -> None:
    after = variant(small, training={"batch_size": 64})
    assert changed_stages(small, after) == {"report": 1}


@given(size=st.integers(1, 300), per_image=st.integers(1, 9), largest=st.integers(2, 500), minimum=st.integers(2, 700))
def test_shards_partition_the_samples_and_nest(size: int, per_image: int, largest: int, minimum: int) -> None:
    few = SamplingSpec(per_image=per_image, shard_largest=largest, minimum=minimum)
    ranges = few.shards(size)
    assert [i for a, b in ranges for i in range(a, b)] == list(range(few.samples_for(size)))
    assert max(b - a for a, b in ranges) <= largest
    block = max(few.shard_per_image * size, minimum)
    if few.samples_for(size) % block == 0:
        assert set(ranges) <= set(
            few.model_copy(update={"per_image": 2 * max(per_image, -(-minimum // size))}).shards(size)
        )


def test_models_of_one_address_have_a_folder_for_each_size(small: dict[str, Any]) -> None:
    """A Gaussian is fitted to the whole dataset, whatever K: all that is read is in the plan."""
    tiny = small["experiments"]["tiny"]
    gaussian = {"dataset": "digits", "sizes": tiny["sizes"], "denoiser": {"kind": "exact", "memories": "gaussian"}}
    plan = plan_of({**small, "experiments": {"tiny": {**gaussian, "sampling": {"minimum": 1024}}}})
    for artifact in plan.by_folder.values():
        for group in artifact.reads.values():
            assert all(plan.artifact(parent.folder.as_posix()) is not None for parent in group)


def test_a_total_of_samples_is_not_cut_by_the_size() -> None:
    spec = SamplingSpec(total=10_000)
    assert spec.shards(1) == spec.shards(500)
    assert len(spec.shards(1)) == -(-10_000 // spec.shard_largest)


def test_a_source_of_ones_own_needs_its_digest() -> None:
    config = {
        "datasets": {"mine": {"kind": "folder", "path": "x"}},
        "experiments": {"e": {"dataset": "mine", "sizes": [2], "denoiser": {"kind": "exact"}}},
    }
    with pytest.raises(ConfigError, match=r"datasets\.mine"):
        plan_of(config)
    first, second = (plan_of({**config, "sources": {"mine": digest}}) for digest in ("aa", "bb"))
    assert not set(first.by_folder) & set(second.by_folder)


def test_planning_needs_no_torch() -> None:
    code = "import sys, amdiff.project, amdiff.cli; sys.exit(bool({'torch', 'faiss', 'matplotlib'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
