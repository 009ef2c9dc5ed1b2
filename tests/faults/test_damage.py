"""A bit flipped or a tail cut, in each kind of artifact and in what a run keeps to go on from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amdiff.artifacts import SPEC, Artifact
from amdiff.errors import ArtifactError
from amdiff.files import read_json, write_bytes
from amdiff.plan import Plan
from amdiff.stages import make
from amdiff.stages.publication import publish
from amdiff.stages.resuming import restore_arrays, save_arrays
from amdiff.store import check_folder
from tests.faults.kinds import STRUCK, assert_equal, first_of, without

PAGES = ("report", "comparison", "prompts")


def damages(path: Path, seed: int) -> Iterator[str]:
    """Flip a bit, then cut the tail, at random places; the file is whole again in between and after."""
    whole = path.read_bytes()
    rng = np.random.default_rng(seed)
    flipped = bytearray(whole)
    flipped[rng.integers(len(whole))] ^= 1 << rng.integers(8)
    for name, content in (("flip", bytes(flipped)), ("cut", whole[: rng.integers(len(whole))]), ("empty", b"")):
        path.write_bytes(content)
        yield name
    path.write_bytes(whole)


def refusal(work: Callable[[], object]) -> str:
    """What some work refuses an artifact with; empty where it does not."""
    try:
        work()
    except ArtifactError as error:
        return str(error)
    return ""


def reader_of(plan: Plan, artifact: Artifact) -> Artifact:
    """An artifact made from this one: a page where nothing else is."""
    readers = [a for a in plan.by_folder.values() if any(artifact in group for group in a.reads.values())]
    return min(readers, key=lambda a: a.stage in PAGES)


@pytest.mark.parametrize("stage", STRUCK)
def test_a_damaged_artifact(stage: str, every: tuple[Plan, Path], tmp_path: Path) -> None:
    """Is named by what checks it and by what reads it, and made again it is what it was."""
    plan, made = every
    artifact = first_of(plan, stage)
    page = next((p for p in plan.pages if p.report == artifact), None)
    last = artifact if page else reader_of(plan, artifact)
    without(last, made, tmp_path)
    if page:
        shutil.copytree(made / artifact.folder, tmp_path / artifact.folder)
    folder = tmp_path / artifact.folder
    refused = 0
    files = sorted(read_json(folder / SPEC)["files"])
    for number, name in enumerate(files[:: max(1, len(files) // 6)]):  # of a page's many figures some
        for damage in damages(folder / name, number):
            if last.stage in PAGES and damage == "cut":
                continue  # a page reads much before it comes to this
            (problem,) = check_folder(folder / SPEC)
            assert f"{artifact.folder.as_posix()}/{name} is damaged" in problem
            message = refusal(lambda: publish(page, tmp_path) if page else make(last, plan, tmp_path))
            if message:
                refused += 1
                assert f"{artifact.folder.as_posix()}/{name} is damaged" in message
                assert "run snakemake again" in message
                assert page or not (tmp_path / last.spec).exists()
            else:  # it does not read this file
                assert not page
                assert_equal(last, made, tmp_path)
                shutil.rmtree(tmp_path / last.folder)
    assert refused >= 2
    shutil.rmtree(folder)
    make(artifact, plan, tmp_path)
    assert_equal(artifact, made, tmp_path)


@pytest.mark.full
def test_a_damaged_spec(every: tuple[Plan, Path], tmp_path: Path) -> None:
    """Of what says that all is there; a flip in the provenance, which decides nothing, may go unseen."""
    plan, made = every
    artifact = first_of(plan, "train")
    reader = reader_of(plan, artifact)
    without(reader, made, tmp_path)
    spec = tmp_path / artifact.spec
    start = spec.read_bytes().index(b'"provenance"')
    end = spec.read_bytes().index(b'"stage"')
    whole = spec.read_bytes()
    rng = np.random.default_rng(0)
    for place in [*rng.integers(0, start, 40), *rng.integers(end, len(whole) - 1, 20)]:
        content = bytearray(whole)
        content[place] ^= 1 << rng.integers(8)
        spec.write_bytes(content)
        try:
            same = read_json(spec) == read_json(made / artifact.spec)
        except ArtifactError:
            same = False
        assert same or check_folder(spec), bytes(content)
        if message := refusal(lambda: make(reader, plan, tmp_path)):
            assert artifact.folder.as_posix() in message
        else:
            assert_equal(reader, made, tmp_path)
            shutil.rmtree(tmp_path / reader.folder)
    for content in (whole[:100], b"", b"[]", b"null"):
        spec.write_bytes(content)
        assert check_folder(spec)
        with pytest.raises(ArtifactError, match=artifact.folder.name):
            make(reader, plan, tmp_path)


WRITERS = {"train": "train.write_bytes", "sample": "sample.write_h5", "basin": "analysis.write_h5"}
"""What the last step of a resumed stage calls."""


@pytest.mark.full
@pytest.mark.parametrize("stage", WRITERS)
def test_damage_of_what_a_run_goes_on_from(
    stage: str,
    every: tuple[Plan, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is left out and computed anew: the bytes are those of a quiet run."""
    plan, made = every
    quick = plan.config.runtime.model_copy(update={"checkpoint_seconds": 1e-4, "sampling_batch": 7})
    plan = replace(plan, config=plan.config.model_copy(update={"runtime": quick}))
    artifact = first_of(plan, stage)
    without(artifact, made, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(f"amdiff.stages.{WRITERS[stage]}", fail_at_the_end)
        with pytest.raises(OSError, match="at the end"):
            make(artifact, plan, tmp_path)
    scratch = tmp_path / "scratch" / stage / artifact.address
    pieces = {path: path.read_bytes() for path in sorted(scratch.iterdir())}
    said = 0
    for seed in range(8):
        for path in pieces:
            for _ in damages(path, seed):
                make(artifact, plan, tmp_path)
                said += f"{path} is damaged, it is left out and computed again (" in capsys.readouterr().err
                assert_equal(artifact, made, tmp_path)
                shutil.rmtree(tmp_path / artifact.folder)
                scratch.mkdir(parents=True, exist_ok=True)
                for piece, content in pieces.items():
                    piece.write_bytes(content)
    assert said >= 16 * len(pieces)  # a flip may fall where nothing is stored


def fail_at_the_end(path: Path, *values: object, **options: object) -> None:
    """In place of what writes an artifact's file; training states go the same way and are written."""
    if path.name == "state.pt":
        write_bytes(path, *values)  # type: ignore[arg-type]
    else:
        raise OSError("at the end")


def test_no_flip_is_taken_for_whole(tmp_path: Path) -> None:
    """Of any bit of a saved piece, its headers above all: what comes back is what was saved, or nothing."""
    rng, path = np.random.default_rng(1), tmp_path / "piece.npz"
    arrays = {"samples": rng.integers(0, 256, (30, 28, 28), np.uint8), "rows": np.array(3)}
    save_arrays(path, **arrays)
    whole = path.read_bytes()
    ends = np.r_[0:300, len(whole) - 600 : len(whole)]
    for place in [*rng.choice(ends, 500), *rng.integers(0, len(whole), 100)]:
        content = bytearray(whole)
        content[place] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        found = restore_arrays(path)
        assert path.exists() == (found is not None)
        if found is not None:
            assert found.keys() == arrays.keys()
            assert all(np.array_equal(found[name], array) for name, array in arrays.items())
