"""kill -9, SIGTERM and two runs at once: nothing half-done is taken for whole, the bytes are those of a quiet run."""

from __future__ import annotations

import copy
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from amdiff.files import read_json
from amdiff.plan import Plan
from tests.conftest import SMALL
from tests.faults.killing import kill_again_and_again, unfinished
from tests.faults.kinds import STRUCK, assert_equal, first_of, without
from tests.workflow_tools import REPO, Project, kill_tree, wait_for


@pytest.mark.full
def test_killed_at_random_moments(finished: Project, tmp_path: Path) -> None:
    """The short form of ``python -m tests.faults.killing``."""
    project = Project(tmp_path, SMALL)
    lives = np.random.default_rng(0).uniform(0, 14, 5).tolist()
    assert kill_again_and_again(project, lives).total() >= 3
    output = project.snakemake()
    assert "LockException" not in output
    assert project.checksums() == finished.checksums()
    assert unfinished(project) == []
    assert "0 problems" in project.run("python", "-m", "amdiff", "verify").stdout


@pytest.mark.parametrize("stage", STRUCK)
def test_killed_at_each_write(stage: str, every: tuple[Plan, Path], tmp_path: Path) -> None:
    """Before and after each file gets its name, each time on what the last one left."""
    plan, made = every
    artifact = first_of(plan, stage)
    without(artifact, made, tmp_path)
    writes = 1 + len(read_json(made / artifact.spec)["files"])  # spec.json as well
    step = writes // 2 if writes > 5 else 1  # a page has many figures
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.striking", str(tmp_path), artifact.folder.as_posix(), str(step)],
        cwd=REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    statuses = json.loads(done.stdout)
    assert statuses[-1] == 0, done.stderr
    assert len(statuses) >= 2 * math.ceil(writes / step)
    assert_equal(artifact, made, tmp_path)


@pytest.mark.full
def test_killed_in_training_and_in_sampling_then_finished(finished: Project, tmp_path: Path) -> None:
    """kill -9 of the whole tree, twice; the same command then gives the same bytes."""
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"]["training"]["iterations"] = 1500
    config["experiments"]["tiny"]["sampling"] = {"steps": 150, "minimum": 400}
    config["runtime"] |= {"checkpoint_seconds": 0.2, "sampling_batch": 20}
    undisturbed, disturbed = Project(tmp_path / "a", config), Project(tmp_path / "b", config)
    undisturbed.snakemake()

    run = disturbed.start()
    wait_for(lambda: list(disturbed.root.glob("scratch/train/*/state.pt")))
    kill_tree(run)
    assert not list(disturbed.root.glob("artifacts/digits/train/*/spec.json"))
    run = disturbed.start()
    wait_for(lambda: list(disturbed.root.glob("scratch/sample/*/20-40.npz")))
    kill_tree(run)
    assert list(disturbed.root.glob("artifacts/digits/train/*/spec.json"))
    output = disturbed.snakemake()
    assert "LockException" not in output
    logs = [p.read_text() for p in disturbed.root.glob("logs/digits/train/*.log")]
    assert any("resumes at step" in text for text in logs)
    assert disturbed.checksums() == undisturbed.checksums()
    assert not list(disturbed.root.glob("scratch/*/*/*.npz"))
    assert not list(disturbed.root.glob("scratch/train/*"))


@pytest.mark.full
def test_sigterm_between_steps_resumes_to_the_same_bits(finished: Project, tmp_path: Path) -> None:
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"]["training"]["iterations"] = 4000
    config["runtime"]["progress_seconds"] = 0.2
    project = Project(tmp_path, config)
    project.snakemake("--until", "dataset")
    weights = []
    for interrupted in (False, True, True):
        folder = next(a["address"] for a in project.models() if a["K"] == 4)
        command = ["python", "-m", "amdiff", "train", f"artifacts/digits/train/K00004-{folder}"]
        if interrupted:
            run = subprocess.Popen(
                command, cwd=project.root, env=project.environment, stderr=subprocess.PIPE, text=True
            )
            assert run.stderr is not None
            assert next(line for line in run.stderr if "steps/s" in line)
            run.terminate()
            assert run.wait() == 143
            assert list(project.root.glob("scratch/train/*/state.pt"))
        done = project.run(*command)
        assert ("resumes at step" in done.stderr) == interrupted
        path = project.root / f"artifacts/digits/train/K00004-{folder}"
        weights.append((path / "weights.safetensors").read_bytes())
        shutil.rmtree(path)
    assert weights[0] == weights[1] == weights[2]


@pytest.mark.full
def test_sigterm_to_all_processes(finished: Project, tmp_path: Path) -> None:
    """As a scheduler ends a job: what trains saves its state, and the same command goes on from there."""
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"]["training"]["iterations"] = 7000
    config["runtime"]["progress_seconds"] = 0.2
    undisturbed, disturbed = Project(tmp_path / "a", config), Project(tmp_path / "b", config)
    undisturbed.snakemake()
    run = disturbed.start()
    logs = disturbed.root / "logs/digits/train"
    wait_for(lambda: sum(" left" in path.read_text() for path in logs.glob("*.log")) == 2)
    os.killpg(run.pid, signal.SIGTERM)
    assert run.wait() != 0
    assert len(list(disturbed.root.glob("scratch/train/*/state.pt"))) == 2
    disturbed.snakemake()
    assert all("resumes at step" in path.read_text() for path in logs.glob("*.log"))
    assert disturbed.checksums() == undisturbed.checksums()


@pytest.mark.full
def test_what_outlives_snakemake_is_kept(finished: Project, tmp_path: Path) -> None:
    """Snakemake's machine goes down, jobs on others go on: nothing is made again, what lasts is awaited."""
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"]["training"] |= {"iterations": 15000, "iterations_by_size": {4: 3000}}
    config["runtime"]["progress_seconds"] = 0.2
    project = Project(tmp_path, config)
    run = project.start()
    logs = project.root / "logs/digits/train"
    wait_for(lambda: sum(" left" in path.read_text() for path in logs.glob("*.log")) == 2)
    run.kill()
    run.wait()
    assert not project.made()
    wait_for(project.made)
    before = project.made()
    assert len(before) == 1
    output = project.snakemake()
    assert output.count("another process is making this; waiting for it") == 1
    assert before.items() < project.made().items()
    assert unfinished(project) == []


@pytest.mark.full
def test_what_is_made_since_is_kept(finished: Project, tmp_path: Path) -> None:
    """Artifacts that come while a run goes on, from another run or a pull, with times in any order."""
    project, other = Project(tmp_path / "a", SMALL), finished.copy(tmp_path / "b")
    other.scramble_times()
    run = project.start("--cores", "1", output=tmp_path / "run.log")
    wait_for(lambda: list(project.root.glob("logs/digits/train/*.log")))
    (training,) = (path.stem for path in project.root.glob("logs/digits/train/*.log"))
    for spec in other.root.glob("artifacts/*/*/*/spec.json"):
        if spec.parent.name != training:
            shutil.copytree(spec.parent, project.root / spec.parent.relative_to(other.root))
    before = project.made()
    assert run.wait() == 0, (tmp_path / "run.log").read_text()
    assert project.made().items() > before.items()
    jobs = (tmp_path / "run.log").read_text().count("  done    ")
    assert jobs == len(project.made()) + 2  # the data, the copies
    assert project.checksums() == finished.checksums()


@pytest.mark.full
def test_jobs_that_snakemake_drops_are_missed(finished: Project, tmp_path: Path) -> None:
    """What is made anew although it is there hides from Snakemake all that is made of it: the run says so."""
    project = finished.copy(tmp_path / "copy")
    shutil.rmtree(project.root / "results")
    shutil.rmtree(project.root / "artifacts/digits/report")
    output = project.snakemake("--forcerun", "classify", "--", "all", check=False)
    assert "results/tiny/.address-" in output
    assert "is not made yet; run the same command again" in output
    project.snakemake()
    assert project.checksums() == finished.checksums()


@pytest.mark.full
def test_a_failed_publication_leaves_nothing_stale(finished: Project, tmp_path: Path) -> None:
    """Where a job fails after all was published, Snakemake does not bring the last report back."""
    project = finished.copy(tmp_path / "copy")
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"]["panels"] = {"columns": 3}
    project.configure(config)
    before = project.checksums()["results/tiny/report.html"]
    tee = tmp_path / "bin" / "tee"
    tee.parent.mkdir()
    tee.write_text('#!/bin/sh\ncat > "$1"\ncase "$1" in *publish*) exit 1; esac\n')
    tee.chmod(0o755)
    path = f"{tee.parent}{os.pathsep}{project.environment['PATH']}"
    done = project.run("env", f"PATH={path}", "snakemake", "--cores", "2", check=False)
    assert done.returncode == 1, done.stderr
    assert "Restored" not in done.stdout + done.stderr
    project.snakemake()
    assert project.checksums()["results/tiny/report.html"] != before
    assert "0 problems" in project.run("python", "-m", "amdiff", "verify").stdout


@pytest.mark.full
def test_two_runs_at_once_make_each_artifact_once(tmp_path: Path, finished: Project) -> None:
    project = Project(tmp_path, SMALL)
    runs = [project.start(output=tmp_path / f"run{i}.log") for i in range(2)]
    for run in runs:
        assert run.wait() == 0, [(tmp_path / f"run{i}.log").read_text() for i in range(2)]
    assert project.checksums() == finished.checksums()
