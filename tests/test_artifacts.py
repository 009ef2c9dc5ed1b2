"""Atomic writes, completeness, integrity, locks."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest

from amdiff.artifacts import SPEC, Artifact, canonical_json
from amdiff.errors import ArtifactError
from amdiff.files import atomic_file, locked, read_json, write_json
from amdiff.store import Store, check_folder


@pytest.fixture
def artifact() -> Artifact:
    return Artifact("report", "digits", "K00004", {"a": 1, "b": [1.5, None]})


def make(store: Store, artifact: Artifact, content: str = "weights") -> Path:
    with store.making(artifact, lambda: {"host": "here"}) as folder:
        assert folder is not None
        with atomic_file(folder / "w.txt") as temporary:
            temporary.write_text(content)
    return store.root / artifact.folder


def test_an_address_is_that_of_its_content(artifact: Artifact) -> None:
    same = Artifact("report", "other", "another label", {"b": [1.5, None], "a": 1})
    assert same.address == artifact.address
    assert Artifact("sample", "digits", "", artifact.params).address != artifact.address
    assert Artifact("report", "digits", "", artifact.params, {"dataset": (same,)}).address != artifact.address
    assert artifact.folder.as_posix() == f"artifacts/digits/report/K00004-{artifact.address}"


def test_canonical_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


def test_a_made_artifact_is_complete_and_whole(tmp_path: Path, artifact: Artifact) -> None:
    store = Store(tmp_path)
    folder = make(store, artifact)
    assert store.complete(artifact)
    assert check_folder(folder / SPEC) == []
    assert store.path(artifact, "w.txt").read_text() == "weights"
    with store.making(artifact, dict) as again:
        assert again is None


def test_a_stage_writes_the_files_that_it_says(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"stage 'grid' wrote \['w.txt'\], expected \['grid.json'\]"):
        make(Store(tmp_path), Artifact("grid", "digits", "", {}))


def test_a_failure_leaves_no_spec_and_no_half_file(tmp_path: Path, artifact: Artifact) -> None:
    store = Store(tmp_path)

    def fail_half_way() -> None:
        with store.making(artifact, dict) as folder:
            assert folder is not None
            with atomic_file(folder / "w.txt") as temporary:
                temporary.write_text("half")
                raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        fail_half_way()
    assert not store.complete(artifact)
    assert list((tmp_path / artifact.folder).iterdir()) == []


def test_what_a_killed_run_left_is_no_part_of_an_artifact(tmp_path: Path, artifact: Artifact) -> None:
    left = tmp_path / artifact.folder / "figures/.a.svg.12345678.tmp"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    folder = make(Store(tmp_path), artifact)
    assert read_json(folder / SPEC)["files"].keys() == {"w.txt"}


def test_an_old_file_survives_a_failed_write(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"old": True})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"new": float("nan")})
    assert read_json(path) == {"old": True}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damage_is_found_and_named(tmp_path: Path, artifact: Artifact, damage: str) -> None:
    store = Store(tmp_path)
    path = make(store, artifact) / "w.txt"
    if damage == "flip":
        path.write_text("weighty")
    elif damage == "cut":
        path.write_text("weig")
    else:
        path.unlink()
    assert "w.txt" in check_folder(path.parent / SPEC)[0]
    with pytest.raises(ArtifactError, match=r"w\.txt.*run snakemake again"):
        Store(tmp_path).path(artifact, "w.txt")


def test_a_changed_spec_is_found(tmp_path: Path, artifact: Artifact) -> None:
    spec = make(Store(tmp_path), artifact) / SPEC
    spec.write_text(spec.read_text().replace('"a": 1', '"a": 2'))
    assert "address" in check_folder(spec)[0]
    spec.write_text("{")
    assert check_folder(spec)


def _hold(path: Path, seconds: float, log: Path) -> None:
    with locked(path), log.open("a") as stream:
        stream.write("in ")
        stream.flush()
        time.sleep(seconds)
        stream.write("out ")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    log = tmp_path / "log"
    workers = [multiprocessing.Process(target=_hold, args=(tmp_path / "lock", 0.2, log)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert log.read_text().split() == ["in", "out"] * 3


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    log = tmp_path / "log"
    holder = multiprocessing.Process(target=_hold, args=(tmp_path / "lock", 60, log))
    holder.start()
    while not log.exists() or not log.read_text():
        time.sleep(0.01)
    holder.kill()
    holder.join()
    with locked(tmp_path / "lock", waiting=lambda: pytest.fail("the lock is still held")):
        assert log.read_text() == "in "


def test_what_is_not_complete_is_missing(tmp_path: Path, artifact: Artifact) -> None:
    (make(Store(tmp_path), artifact) / SPEC).unlink()
    with pytest.raises(ArtifactError, match="is missing; run snakemake"):
        Store(tmp_path).record(artifact)
