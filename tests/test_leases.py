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
import uuid
from contextlib import ExitStack
from pathlib import Path

import pytest

from amdiff import leases
from amdiff.errors import AmdiffError
from tests.conftest import REPO, SMALL
from tests.workflow_tools import Project

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
def own(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of four devices that nobody else has, and no scheduler but those that a test names."""
    for variable in (leases.DEVICES, leases.VISIBLE, *leases.SCHEDULERS):
        monkeypatch.delenv(variable, raising=False)
    return [f"GPU-{uuid.uuid4()}" for _ in range(4)]


def hold(seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(seconds)], stdout=subprocess.PIPE, text=True, cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )  # fmt: skip


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())[0]


def test_twelve_jobs_share_four_devices(own: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(leases.DEVICES, ",".join(own))
    jobs = [hold(0.7) for _ in range(12)]
    lines = [job.communicate()[0].splitlines()[-1] for job in jobs]
    held = [json.loads(line) for line in lines]
    assert {device for device, *_ in held} == set(own)
    for device in own:
        intervals = sorted((start, stop) for d, start, stop, _ in held if d == device)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(intervals))
    assert any(waited for *_, waited in held)


def test_jobs_share_devices_where_the_user_allows_it(own: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at a time on each of two devices: an idle device comes first, and the fifth job waits."""
    monkeypatch.setenv(leases.DEVICES, ",".join(own[:2]))
    told: list[list[str]] = []

    def stop(names: list[str]) -> None:
        told.append(names)
        raise TimeoutError

    with ExitStack() as held:
        taken = [held.enter_context(leases.gpu(True, together=2)) for _ in range(4)]
        assert taken == [own[0], own[1], own[0], own[1]]
        with pytest.raises(TimeoutError), leases.gpu(True, stop, together=2):
            pass
        assert told == [own[:2]]
    with leases.gpu(True, together=2) as device:
        assert device == own[0]


def test_kill_9_frees_a_device(own: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(leases.DEVICES, own[0])
    holder = hold(600)
    assert first_line(holder) == own[0]
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
        ({"AMDIFF_GPUS": "0,1", "CUDA_VISIBLE_DEVICES": "3,5"}, ["0", "1"]),
        ({"SLURM_JOB_ID": "7", "AMDIFF_GPUS": "0,1"}, ["0", "1"]),
        ({"SLURM_JOB_ID": "7", "AMDIFF_GPUS": "0,3", "CUDA_VISIBLE_DEVICES": "3,5"}, ["3"]),
        ({"SLURM_JOB_ID": "7", "AMDIFF_GPUS": "", "CUDA_VISIBLE_DEVICES": "3,5"}, []),
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "1"}, ["1"]),
    ],
)
def test_which_devices_there_are(environment: dict[str, str], expected: list[str]) -> None:
    assert leases.devices(environment) == expected


def test_the_driver_is_asked_last(own: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also inside an allocation whose scheduler names no device."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf 'GPU 0: H100 (UUID: GPU-a)\\n  MIG 1g: x\\nGPU 1: H100 (UUID: GPU-b)\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert leases.devices({}) == leases.devices({"SLURM_JOB_ID": "7"}) == ["0", "1"]
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert leases.devices({}) is None
    with leases.gpu(True) as device:
        assert device is None
        assert leases.VISIBLE not in os.environ


def test_devices_of_an_allocation_are_shared_by_its_jobs(own: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", own[3])
    monkeypatch.setenv(leases.VISIBLE, "0,1")
    other = hold(30)
    assert first_line(other) == "0"
    with leases.gpu(True) as device:
        assert device == os.environ[leases.VISIBLE] == "1"
    assert os.environ[leases.VISIBLE] == "0,1"
    monkeypatch.setenv(leases.VISIBLE, "0")
    monkeypatch.setenv("SLURM_JOB_ID", own[2])  # another allocation's 0 may be another device
    with leases.gpu(True) as device:
        assert device == "0"
    other.kill()


def test_jobs_in_an_allocation_of_one_device_take_turns(own: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", own[0])
    monkeypatch.setenv(leases.VISIBLE, "0")
    lines = [json.loads(job.communicate()[0].splitlines()[-1]) for job in [hold(0.5), hold(0.5)]]
    (_, _, stop, _), (_, start, _, waited) = sorted(lines, key=lambda line: line[1])
    assert stop <= start
    assert waited


def test_devices_that_a_scheduler_did_not_assign_are_an_error() -> None:
    """A choice from a login shell, in a job whose devices are numbered anew, must not end on the CPU."""
    environment = {"SLURM_JOB_ID": "7", "AMDIFF_GPUS": "2,3", "CUDA_VISIBLE_DEVICES": "0"}
    with pytest.raises(AmdiffError, match=r"AMDIFF_GPUS is '2,3', but this job was assigned 0"):
        leases.devices(environment)


@pytest.mark.parametrize("environment", [{}, {"AMDIFF_GPUS": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}])
def test_a_job_without_need_sees_no_device(
    own: list[str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with leases.gpu(False) as device:
        assert device is None
        assert os.environ[leases.VISIBLE] == ""
    assert os.environ.get(leases.VISIBLE) == environment.get(leases.VISIBLE)


def test_a_job_sees_no_device_where_none_is_left_to_it(own: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(leases.DEVICES, "")
    with leases.gpu(True) as device:
        assert device is None
        assert os.environ[leases.VISIBLE] == ""


@pytest.mark.full
def test_jobs_of_a_workflow_hold_devices_of_their_own(
    own: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs at once on a node of two, more jobs than devices."""
    config = {**copy.deepcopy(SMALL), "runtime": {"device": "auto", "progress_seconds": 60}}
    config["experiments"]["tiny"] |= {"sizes": [2, 4, 8, 16], "basin": None, "curvature": None, "energy": None}
    monkeypatch.setenv(leases.DEVICES, ",".join(own[:2]))
    projects = [Project(tmp_path / name, config) for name in ("a", "b")]
    runs = [p.start("--resources", "gpu=2", "--until", "sample") for p in projects]
    assert [run.wait() for run in runs] == [0, 0]
    specs = [spec for p in projects for spec in p.root.glob("artifacts/digits/train/*/spec.json")]
    held = [json.loads(spec.read_text())["provenance"]["gpu"] for spec in specs]
    assert len(held) == 8
    assert set(held) == set(own[:2])
    with leases.gpu(True) as first, leases.gpu(True):
        assert first in own
