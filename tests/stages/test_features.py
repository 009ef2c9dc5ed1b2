"""Images pass a metric's network once, whatever stages search among them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amdiff.config import parse_config
from amdiff.neighbors import perceptual
from amdiff.plan import Plan
from amdiff.project import prepare
from amdiff.stages import make
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
