"""No device is used twice at once, whoever asks, and none stays taken by the dead."""

from __future__ import annotations

import copy
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from amdiff import leases
from tests.conftest import REPO, SMALL
from tests.workflow_tools import Project, wait_for

HOLD = """
import json, os, sys, time
from amdiff.leases import gpu
waited = []
with gpu(True, waited.append) as device:
    start = time.monotonic()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == device
    print(json.dumps([device]), flush=True)
    time.sleep(float(sys.argv[1]))
    print(json.dumps([device, start, time.monotonic(), bool(waited)]), flush=True)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of locks of one's own, and no device or scheduler but those that a test names."""
    for variable in (leases.VISIBLE, *leases.SCHEDULERS):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def hold(seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(seconds)], stdout=subprocess.PIPE, text=True, cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )  # fmt: skip


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())[0]


def test_twelve_jobs_share_four_devices(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(leases.DEVICES, "0,1,2,3")
    jobs = [hold(0.7) for _ in range(12)]
    lines = [job.communicate()[0].splitlines()[-1] for job in jobs]
    held = [json.loads(line) for line in lines]
    assert {device for device, *_ in held} == {"0", "1", "2", "3"}
    for device in "0123":
        intervals = sorted((start, stop) for d, start, stop, _ in held if d == device)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(intervals))
    assert any(waited for *_, waited in held)


def test_kill_9_frees_a_device(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(leases.DEVICES, "0")
    holder = hold(600)
    assert first_line(holder) == "0"
    waiting = hold(0)
    time.sleep(2)
    assert waiting.poll() is None
    holder.send_signal(signal.SIGKILL)
    assert waiting.communicate(timeout=30)[0]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"AMDIFF_GPUS": "0, 2"}, ["0", "2"]),
        ({"AMDIFF_GPUS": ""}, []),
        ({"CUDA_VISIBLE_DEVICES": "3,5"}, ["3", "5"]),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, []),
        ({"SLURM_JOB_ID": "7"}, []),
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "1"}, ["1"]),
    ],
)
def test_which_devices_there_are(environment: dict[str, str], expected: list[str]) -> None:
    assert leases.devices(environment) == expected


def test_a_device_that_a_scheduler_assigned_is_left_as_it_is(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv(leases.VISIBLE, "2")
    with leases.gpu(True) as device:
        assert device == os.environ[leases.VISIBLE] == "2"
    assert not list(own.glob("**/*.lock"))


def test_several_assigned_devices_are_shared(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv(leases.VISIBLE, "0,1")
    with leases.gpu(True) as first, leases.gpu(True) as inner:
        assert first == inner == "0"  # within, CUDA sees one device: nothing is left to choose
    monkeypatch.setenv(leases.VISIBLE, "0,1")
    other = hold(30)
    assert first_line(other) == "0"
    with leases.gpu(True) as device:
        assert device == "1"
    other.kill()
    assert os.environ[leases.VISIBLE] == "0,1"


def test_a_job_without_need_sees_no_device(own: Path) -> None:
    with leases.gpu(False) as device:
        assert device is None
        assert os.environ[leases.VISIBLE] == ""
    assert leases.VISIBLE not in os.environ


def test_a_folder_of_someone_else_is_refused(own: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (own / f"amdiff-gpus-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="belongs to another user"):
        leases.folder()


def test_jobs_of_a_workflow_hold_devices_of_their_own(own: Path, tmp_path: Path) -> None:
    """Two runs at once on a node of two, more jobs than devices."""
    config = {**copy.deepcopy(SMALL), "runtime": {"device": "auto", "progress_seconds": 60}}
    config["experiments"]["tiny"] |= {"sizes": [2, 4, 8, 16], "basin": None, "curvature": None, "energy": None}
    os.environ[leases.DEVICES] = "0,1"
    try:
        projects = [Project(tmp_path / name, config) for name in ("a", "b")]
        runs = [p.start("--resources", "gpu=2", "--until", "sample") for p in projects]
        assert [run.wait() for run in runs] == [0, 0]
    finally:
        del os.environ[leases.DEVICES]
    specs = [spec for p in projects for spec in p.root.glob("artifacts/digits/train/*/spec.json")]
    held = [json.loads(spec.read_text())["provenance"]["gpu"] for spec in specs]
    assert len(held) == 8
    assert set(held) == {"0", "1"}
    wait_for(lambda: all(_free(path) for path in own.glob("amdiff-gpus-*/*.lock")))


def _free(path: Path) -> bool:
    import fcntl

    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
