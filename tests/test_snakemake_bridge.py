"""What stands between a plan and Snakemake, as plain Python."""

from __future__ import annotations

import contextlib
import copy
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import snakemake.persistence
from snakemake.exceptions import WorkflowError

from amdiff.catalogue import FIGURES, STAGES
from amdiff.files import read_json, sha256_file, write_json
from amdiff.frozen import pack
from amdiff.plan import Plan
from amdiff.snakemake_bridge import (
    KNOWN,
    SENT,
    Run,
    check_all_made,
    growing,
    leave_output_alone,
    root_of,
    screens_of,
    sent_configuration,
)
from tests.test_grid import OPEN


class Job(NamedTuple):
    """What the bridge asks of a job of Snakemake."""

    input: tuple[Path, ...]
    output: tuple[Path, ...]


@pytest.fixture
def run(small: dict[str, Any], tmp_path: Path) -> Any:
    with contextlib.chdir(tmp_path):
        yield Run(small, None, stored=False)


def wildcards(folder: Path) -> dict[str, str]:
    return {"dataset": folder.parts[-3], "name": folder.name}


def test_snakemake_copies_no_output(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = type("Keeper", (), dict.fromkeys(("backup_output", "cleanup_backup", "restore_output"), lambda *_: True))
    monkeypatch.setattr(snakemake.persistence, "Keeper", keeper, raising=False)
    leave_output_alone()
    kept: Any = keeper()
    assert kept.backup_output("x") is None
    assert kept.cleanup_backup("x") is None
    assert kept.restore_output("x") is False


def test_a_snakemake_that_keeps_output_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snakemake.persistence, "Keeper", type("Keeper", (), {"backup_output": None}), raising=False)
    with pytest.raises(WorkflowError, match=rf"has no 'cleanup_backup'.*install '{KNOWN}'"):
        leave_output_alone()
    for name, kind in list(vars(snakemake.persistence).items()):
        if isinstance(kind, type) and "backup_output" in vars(kind):
            monkeypatch.delattr(snakemake.persistence, name)
    with pytest.raises(WorkflowError, match="has no 'backup_output'"):
        leave_output_alone()


def test_a_job_elsewhere_has_the_configuration_that_was_sent(
    run: Run, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SENT, pack(run.plan.config))
    assert sent_configuration(is_main=True) is None
    small["experiments"]["tiny"]["sizes"] = [8]  # the file has changed since
    there = Run(small, sent_configuration(is_main=False), stored=False)
    assert there.plan.by_folder.keys() == run.plan.by_folder.keys()
    assert there.notes() == list(there.plan.notes)


def test_a_frozen_configuration_is_in_the_environment_too(run: Run) -> None:
    path = run.freeze()
    assert read_json(path)["experiments"].keys() == {"tiny"}
    assert os.environ.pop(SENT) == pack(run.plan.config)


def test_a_configuration_that_cannot_run_is_told_as_such(small: dict[str, Any]) -> None:
    small["experiments"]["tiny"]["sizes"] = [5000]
    with pytest.raises(WorkflowError, match=r"configuration: experiments\.tiny\.sizes: K = 5000, but"):
        Run(small, None, stored=False)


def test_rules_ask_for_the_files_of_the_plan(run: Run) -> None:
    train = next(a for a in run.plan.by_folder.values() if a.stage == "train")
    assert run.folder("train") == "artifacts/{dataset}/train/{name}"
    assert run.folder("dataset") == "data/canonical/{dataset}/{name}"
    assert run.planned("train", wildcards(train.folder)) == train
    assert run.parents("train")(wildcards(train.folder)) == [train.parent("dataset").spec.as_posix()]
    assert run.made(["a"], lambda path: f"{path}!") == ["a!"]


def test_with_a_storage_every_file_is_asked_for(small: dict[str, Any]) -> None:
    run = Run(small, None, stored=True)
    report = run.plan.page("tiny").report
    needed = run.needed(report)
    for a in report.ancestors():
        if any(a in group for group in report.reads.values()):
            assert {f"{a.folder}/{name}" for name in ("spec.json", *STAGES[a.stage].files.values())} <= set(needed)
    assert run.files_of(report)[1:] == [f"{report.folder}/{name}" for name in run.plan.page("tiny").files]
    assert run.made(["a"], lambda path: f"{path}!") == ["a"]


def test_with_a_storage_no_sparse_sweep_decides() -> None:
    with pytest.raises(WorkflowError, match=r"experiments\.found\.sizes: a sparse sweep cannot decide"):
        Run(OPEN, None, stored=True)


def test_resources_follow_the_records(run: Run) -> None:
    assert run.memory(STAGES["train"])(None, 1) == STAGES["train"].memory_mb
    assert run.memory(STAGES["neighbors"])(None, 1) == 2000 + 2 * run.plan.config.runtime.neighbor_memory_mb
    assert run.minutes(STAGES["train"])(None, 3) == 3 * STAGES["train"].minutes
    assert growing(5)(None, attempt=2) == 10
    train = next(a for a in run.plan.by_folder.values() if a.stage == "train")
    assert run.gpus("train")(wildcards(train.folder)) == 0  # the configuration asks for the processor


def test_the_plan_is_made_again_when_a_sparse_sweep_has_found_the_sizes(tmp_path: Path) -> None:
    asked: list[dict[str, str]] = []

    def found(**wildcards: str) -> None:
        """As Snakemake's checkpoint: the grid is made when it returns."""
        asked.append(wildcards)
        grid = run.plan.experiment("found").grid
        assert grid is not None
        write_json(grid.folder / grid.file(), {"sizes": [2, 4]})
        digest = sha256_file(grid.folder / grid.file())
        write_json(grid.spec, {"files": {grid.file(): digest}, "provenance": {}})

    with contextlib.chdir(tmp_path):
        run = Run(copy.deepcopy(OPEN), None, stored=False)
        before: Plan = run.plan
        look_up = run.report_parents("found", SimpleNamespace(grid=SimpleNamespace(get=found)))
        needed = look_up(None)
        assert len(asked) == 1
        assert look_up(None) == needed  # and it is not asked for twice
        assert len(asked) == 1
    assert not before.experiment("found").settled
    assert run.plan.experiment("found").settled
    assert run.plan.shapes == before.shapes
    assert {a.params["size"] for a in run.plan.page("found").report.derived["classify"]} == {2, 4}
    assert set(needed) >= {a.spec.as_posix() for a in run.plan.page("found").report.derived["classify"]}


def test_what_a_report_was_made_of_may_be_gone(run: Run) -> None:
    report = run.plan.page("tiny").report
    report.folder.mkdir(parents=True)
    report.spec.write_text("{}")
    assert run.report_parents("tiny", None)(None) == []


def test_captions_are_files_for_snakemakes_own_report(run: Run) -> None:
    path = Path(run.caption("fractions"))
    assert path.is_absolute()
    assert path.read_text() == f"{FIGURES['fractions'].caption}\n"
    before = path.stat().st_mtime_ns
    assert run.caption("fractions") == str(path)
    assert path.stat().st_mtime_ns == before


def test_the_root_is_what_stands_before_the_output() -> None:
    look_up = root_of("artifacts/{dataset}/train/{name}/spec.json")
    names = {"dataset": "digits", "name": "K1"}
    assert look_up(names, ["artifacts/digits/train/K1/spec.json"]) == "."
    assert look_up(names, ["/a b/artifacts/digits/train/K1/spec.json"]) == "'/a b/'"
    with pytest.raises(WorkflowError, match=r"does not end in artifacts/digits/train/K1/spec\.json"):
        look_up(names, ["elsewhere/spec.json"])


def test_jobs_are_described_for_the_screen(run: Run) -> None:
    train = next(a for a in run.plan.by_folder.values() if a.stage == "train")
    assert run.described("train", wildcards(train.folder)).label == "train digits K=4"
    assert run.described("report_tiny", {}).label == "report digits tiny"
    assert run.described("tiny", {}).label == "publish tiny"
    jobs = [SimpleNamespace(rule=SimpleNamespace(name=name), wildcards={}) for name in ("tiny", "all")]
    dag = SimpleNamespace(needrun_jobs=lambda: jobs, jobid=lambda job: jobs.index(job))
    assert {number: job.label for number, job in run.expected(dag).items()} == {"0": "publish tiny"}
    screen = object()
    assert screens_of([SimpleNamespace(screen=screen), SimpleNamespace(screen=None), object()]) == [screen]


def test_a_run_that_ended_well_has_made_everything(tmp_path: Path) -> None:
    there, gone = tmp_path / "there", tmp_path / "gone"
    there.touch()
    kept, dropped = Job((there,), (there,)), Job((there,), (gone,))
    check_all_made(SimpleNamespace(targetjobs={kept}, jobs=[kept]))
    with pytest.raises(WorkflowError, match="is not made yet; run the same command again"):
        check_all_made(SimpleNamespace(targetjobs={kept, dropped}, jobs=[kept, dropped]))
