"""A power loss: a disk forgets what was not synced, in any order; what is complete by its spec.json stays so."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from amdiff.artifacts import SPEC
from amdiff.files import read_json
from amdiff.plan import Plan
from amdiff.stages import make
from tests.faults.kinds import STRUCK, first_of, without


class Disk:
    """What a disk would still know after a power loss now: contents and names that were synced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.contents: set[Path] = set()
        self.names: set[Path] = set()
        self.pending: set[Path] = set()
        sync, rename = os.fsync, Path.replace

        def synced(descriptor: int) -> None:
            sync(descriptor)
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                kept = {name for name in self.pending if name.parent == path}
                self.pending -= kept
                self.names |= kept
            else:
                self.contents.add(path)

        def renamed(path: Path, target: Path) -> Path:
            assert path.resolve() in self.contents, f"{target} got its name before its content was synced"
            if target.name == SPEC:
                self.assert_knows(p for p in target.parent.rglob("*") if p.is_file() and p != path)
            self.pending.add(target.resolve())
            return rename(path, target)

        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(Path, "replace", renamed)

    def assert_knows(self, files) -> None:
        assert [p for p in files if p.resolve() not in self.names] == []


@pytest.mark.parametrize("stage", STRUCK)
def test_what_is_complete_outlasts_a_power_loss(
    stage: str, every: tuple[Plan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, made = every
    artifact = first_of(plan, stage)
    without(artifact, made, tmp_path)
    disk = Disk(monkeypatch)
    make(artifact, plan, tmp_path)
    files = [*read_json(tmp_path / artifact.spec)["files"], SPEC]
    disk.assert_knows(tmp_path / artifact.folder / name for name in files)
    assert disk.pending == set()
