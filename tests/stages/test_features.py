"""Images pass a metric's network once, whatever stages search among them."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amdiff.config import parse_config
from amdiff.neighbors import perceptual
from amdiff.neighbors.pixels import PIXELS
from amdiff.neighbors.sets import ArraySource, DistinctSet
from amdiff.neighbors.vectors import MemoryStore, Vectors
from amdiff.plan import Plan
from amdiff.project import prepare
from amdiff.stages import make
from amdiff.stages.features import find_room
from amdiff.stages.vector_file import VectorFile
from amdiff.store import Store

EMBEDDING = ("neighbors", "classify", "peers")


@pytest.fixture
def config(small: dict[str, Any]) -> dict[str, Any]:
    small["experiments"]["tiny"] |= {
        "sizes": [12],
        "peers": {},
        "neighbors": {"metric": "stlpips-alex", "heldout_limit": 40},
        **dict.fromkeys(("basin", "curvature", "energy")),
    }
    return small


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Images that passed the network, by stage; ``stage`` is the one that is at work."""
    counts: Counter[str] = Counter()
    plain = perceptual._vectors

    def counted(network: Any, images: np.ndarray) -> np.ndarray:
        counts[counts.stage] += len(images)  # type: ignore[attr-defined]
        return plain(network, images)

    monkeypatch.setattr(perceptual, "_vectors", counted)
    return counts


def run(config: dict[str, Any], root: Path, counts: Any) -> Plan:
    plan = prepare(parse_config(config), root)
    for artifact in plan.by_folder.values():
        if artifact.stage == "report":
            continue
        counts.stage = artifact.stage
        make(artifact, plan, root)
        if artifact.stage in ("neighbors", "classify"):
            assert list(Store(root).features().rglob("samples.f32")) or not plan.config.runtime.features_gib
    return plan


def files(plan: Plan, root: Path) -> dict[str, bytes]:
    return {
        f"{a.stage}/{name}": (root / a.folder / name).read_bytes()
        for a in plan.by_folder.values()
        if a.stage in EMBEDDING
        for name in Store(root).record(a)["files"]
    }


def test_each_image_passes_the_network_once(config: dict[str, Any], tmp_path: Path, embedded: Any) -> None:
    plan = run(config, tmp_path / "kept", embedded)
    assert embedded["neighbors"] == 12 + 48 + 40  # S, S' and held-out images, whose halves are not made again
    assert embedded["classify"] == embedded["peers"] == 0
    assert not list((tmp_path / "kept/scratch").rglob("*.f32"))  # the last that reads them removes them
    config["runtime"]["features_gib"] = 0
    again = run(config, tmp_path / "not kept", embedded)
    assert embedded["classify"] == 48
    assert embedded["peers"] > 48
    assert files(plan, tmp_path / "kept") == files(again, tmp_path / "not kept")


def test_damaged_features_are_made_again(config: dict[str, Any], tmp_path: Path, embedded: Any) -> None:
    plan = prepare(parse_config(config), tmp_path)
    for artifact in plan.by_folder.values():
        if artifact.stage == "classify":
            (kept,) = Store(tmp_path).features().rglob("samples.f32")
            content = bytearray(kept.read_bytes())
            content[len(content) // 2] ^= 1
            kept.write_bytes(content)
        embedded.stage = artifact.stage
        if artifact.stage not in ("peers", "report"):
            make(artifact, plan, tmp_path)
    assert embedded["classify"] == 48


def test_a_part_reads_only_its_own_vectors(rng: np.random.Generator) -> None:
    """Scattered images of a set: no more of them are read or embedded together than are asked for."""
    images = rng.integers(0, 256, (400, 1, 4, 4), dtype=np.uint8)
    images[300] = images[5]
    passes: list[int] = []
    reads: list[int] = []

    def vectors(batch: np.ndarray) -> np.ndarray:
        passes.append(len(batch))
        return PIXELS.vectors(batch)

    class Counting(MemoryStore):
        def read(self, start: int, stop: int) -> np.ndarray:
            reads.append(stop - start)
            return super().read(start, stop)

    distinct = DistinctSet.of(ArraySource(images))
    numbers = np.array([398, 3, 4, 200, 5, 0])
    expected = PIXELS.vectors(images[distinct.first[numbers]])
    counted = replace(PIXELS, vectors=vectors, costly=True)
    kept = Vectors(distinct, counted, Counting(distinct.distinct, PIXELS.dimension((1, 4, 4))))
    assert np.array_equal(kept.at(numbers), expected)
    assert sum(passes) == distinct.distinct == 399
    assert max(passes) == len(numbers)
    assert sorted(reads) == [1, 1, 1, 3]
    passes.clear()
    assert np.array_equal(kept.at(numbers), expected)
    assert passes == []
    assert np.array_equal(Vectors(distinct, counted).at(numbers), expected)
    assert passes == [len(numbers)]


def test_only_what_finds_room_is_kept(config: dict[str, Any], tmp_path: Path, embedded: Any) -> None:
    """Vectors that nothing waits for make room; those that are waited for stay."""
    config["experiments"]["tiny"]["peers"] = None  # then only the samples are needed again
    config["runtime"]["features_gib"] = 2**-6
    plan = prepare(parse_config(config), tmp_path)
    store = Store(tmp_path)
    old = store.features() / "an-old-table/samples.f32"
    old.parent.mkdir(parents=True)
    old.write_bytes(bytes(2**24))
    for artifact in plan.by_folder.values():
        embedded.stage = artifact.stage
        if artifact.stage != "report":
            make(artifact, plan, tmp_path)
        if artifact.stage == "neighbors":
            (kept,) = store.features().rglob("*.f32")
            size = kept.stat().st_size
            assert kept.name == "samples.f32"
            assert find_room(store, plan, 2**24 - size, 2**-6)
            assert not find_room(store, plan, 2**24 - size + 1, 2**-6)
            assert kept.exists()
    assert embedded["classify"] == 0
    assert not old.exists()
    assert not list((tmp_path / "scratch").rglob("*.f32"))


def test_features_outlast_their_removal_by_another_run(config: dict[str, Any], tmp_path: Path) -> None:
    """A run of another configuration may remove the folder at any time: what is open can be read."""
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    (tmp_path / "features").mkdir()
    made = VectorFile(tmp_path / "features/samples.f32", 3, 4)
    made.write(0, vectors)
    file = VectorFile.there(tmp_path / "features/samples.f32", 3)
    shutil.rmtree(tmp_path / "features")
    assert np.array_equal(file.read(1, 4), vectors[1:])
    assert np.array_equal(made.read(0, 2), vectors[:2])
    with pytest.raises(FileNotFoundError):
        VectorFile.there(tmp_path / "features/samples.f32", 3)
