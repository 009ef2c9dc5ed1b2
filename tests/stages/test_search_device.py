"""Where searches run: results do not depend on it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amdiff.catalogue import STAGES
from amdiff.config import parse_config
from amdiff.plan import build_plan
from amdiff.stages.context import Context
from amdiff.stages.embedding import search_device
from amdiff.store import Store
from tests.conftest import SMALL, run_project


def where(root: Path, device: str) -> str:
    return search_device(Context(Store(root), build_plan(parse_config({**SMALL, "runtime": {"device": device}}))))


@pytest.mark.parametrize(
    ("wanted", "driver", "there", "expected"),
    [
        ("auto", True, True, "cuda"),
        ("cuda", True, True, "cuda"),
        ("auto", True, False, "cpu"),
        ("auto", False, True, "cpu"),
        ("cpu", True, True, "cpu"),
        ("mps", True, True, "cpu"),
    ],
)
def test_a_gpu_searches_where_it_may(
    wanted: str, driver: bool, there: bool, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amdiff.stages.embedding.has_driver", lambda: driver)
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)
    assert where(tmp_path, wanted) == expected


def test_without_a_driver_pytorch_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amdiff.stages.embedding.has_driver", lambda: False)
    monkeypatch.setitem(sys.modules, "torch", None)  # an import fails
    assert where(tmp_path, "auto") == "cpu"


def test_files_are_the_same_by_either_search(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's search on the CPU in place of a GPU."""
    small["experiments"]["tiny"] |= {"peers": {}, **dict.fromkeys(("basin", "curvature", "energy"))}
    first = run_project(small, tmp_path / "faiss")
    for module in ("neighbors", "classify", "peers"):
        monkeypatch.setattr(f"amdiff.stages.{module}.search_device", lambda context: "cpu:0")
    second = run_project(small, tmp_path / "torch")
    assert first.by_folder.keys() == second.by_folder.keys()
    compared = 0
    for artifact in first.by_folder.values():
        if artifact.stage in ("neighbors", "classify", "peers"):
            for name in STAGES[artifact.stage].files.values():
                one, other = (tmp_path / side / artifact.folder / name for side in ("faiss", "torch"))
                assert np.array_equal(*(np.frombuffer(p.read_bytes(), np.uint8) for p in (one, other))), one
                compared += 1
    assert compared >= 5
