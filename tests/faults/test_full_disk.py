"""A full disk, in each stage: one line that says so, nothing half-written taken for whole, and it goes on after."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdiff.plan import Plan
from amdiff.stages import make
from tests.conftest import REPO
from tests.faults.kinds import STRUCK, assert_equal, first_of, without


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own, 64 MiB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(mount)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting a small file system needs root")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Occupy the file system but for ``leave`` bytes."""
    ballast = disk / "ballast"
    free = os.statvfs(disk)
    ballast.write_bytes(b"\0" * max(free.f_bavail * free.f_frsize - leave, 0))
    return ballast


@pytest.mark.parametrize("stage", STRUCK)
def test_a_full_disk(disk: Path, stage: str, every: tuple[Plan, Path]) -> None:
    plan, made = every
    target = first_of(plan, stage)
    without(target, made, disk)
    ballast = fill(disk, leave=4096)
    done = subprocess.run(
        [sys.executable, "-m", "amdiff", stage, str(target.folder)],
        cwd=disk, env={**os.environ, "PYTHONPATH": str(REPO), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "no space left on the device" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (disk / target.spec).exists()
    assert not list((disk / target.folder).rglob("*.tmp"))
    ballast.unlink()
    make(target, plan, disk)
    assert_equal(target, made, disk)
