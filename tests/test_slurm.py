"""The workflow through a Slurm of one node with four fake GPUs."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SMALL
from tests.servers import slurm
from tests.workflow_tools import BIN, Project, kill_tree, wait_for

OPTIONS = (
    *("--profile", "profiles/slurm", "--slurm-no-account", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1", "--latency-wait", "5"),
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with slurm(tmp_path_factory.mktemp("slurm")):
        yield


def config(**training: Any) -> dict[str, Any]:
    found = copy.deepcopy(SMALL)
    found["experiments"]["tiny"] |= {"sizes": [4, 8, 16], "basin": None, "curvature": None, "energy": None}
    found["experiments"]["tiny"]["training"] |= training
    found["runtime"] |= {"device": "auto", "checkpoint_seconds": 1, "progress_seconds": 1}
    return found


def start(project: Project) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(BIN / "snakemake"), *OPTIONS], cwd=project.root, env=project.environment,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def span(provenance: dict[str, Any]) -> tuple[datetime, datetime]:
    began = datetime.fromisoformat(provenance["started"])
    return began, began + timedelta(seconds=provenance["wall_seconds"])


@pytest.mark.full
@pytest.mark.usefixtures("cluster")
def test_a_sweep_runs_on_devices_of_its_own_and_a_cancelled_job_resumes(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Three trainings at once; one is cancelled, is submitted again, and goes on from its last state."""
    project = Project(tmp_path, config(iterations=20000))
    run = start(project)
    request.addfinalizer(lambda: kill_tree(run))
    wait_for(lambda: run.poll() is not None or len(list(tmp_path.glob("scratch/train/*/state.pt"))) >= 3, 300)

    def ask(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    columns = "JobID:20,Comment:80,State:20,tres-per-job:40,MinMemory:20,TimeLimit:20"
    jobs = [line.split() for line in ask("squeue", "-h", "-O", columns).splitlines()]
    training = [job for job in jobs if "train" in job[1] and job[2] == "RUNNING"]
    assert len(training) == 3, jobs
    for _, _, _, devices, memory, limit in training:
        assert devices.endswith("gpu:1")
        assert (memory, limit) == ("4000M", "1-00:00:00")
    ask("scancel", training[0][0])

    def tried_again() -> bool:
        """With more time and memory."""
        waiting = [line.split() for line in ask("squeue", "-h", "-O", columns).splitlines()]
        return any("train" in job[1] and job[4:] == ["8000M", "2-00:00:00"] for job in waiting)

    wait_for(lambda: run.poll() is not None or tried_again(), 120)
    assert run.poll() is None
    # jobs that are still to come are those of the run, not those of the file
    (tmp_path / "config.yaml").write_text("half-written: [")
    output, _ = run.communicate(timeout=600)
    assert run.returncode == 0, output
    assert (tmp_path / "results/tiny/report.html").exists()

    made = [json.loads(p.read_text())["provenance"] for p in tmp_path.glob("artifacts/digits/train/*/spec.json")]
    assert len(made) == 3
    for i, a in enumerate(made):
        assert a["gpu"] in {"0", "1", "2", "3"}
        for b in made[:i]:
            (a_start, a_stop), (b_start, b_stop) = span(a), span(b)
            overlap = a_start < b_stop and b_start < a_stop
            assert not overlap or a["gpu"] != b["gpu"]
    logs = [p.read_text() for p in tmp_path.glob("logs/digits/train/*.log")]
    assert sum("resumes at step" in text for text in logs) == 1
    assert not list(tmp_path.glob("scratch/train/*"))
