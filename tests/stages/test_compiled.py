"""Networks that are compiled: all stages work, and results are the same up to rounding."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
from safetensors.numpy import load_file

from amdiff.artifacts import SPEC
from amdiff.config import parse_config
from amdiff.project import prepare
from amdiff.stages import make
from tests.conftest import SMALL, TOY, run_project


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs g++")
@pytest.mark.parametrize("base", [SMALL, TOY], ids=["images", "points"])
def test_compiled_networks_go_through_all_stages(
    base: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # older torch cannot compile the checks of shapes
    weights = []
    for compiled in (False, True):
        config = copy.deepcopy(base)
        (experiment,) = config["experiments"].values()
        experiment["sizes"] = experiment["sizes"][:1]
        config["runtime"] = {**config.get("runtime", {}), "compile": compiled}
        plan = prepare(parse_config(config), tmp_path / str(compiled))
        for artifact in plan.by_folder.values():
            if artifact.stage == "train":
                weights.append(tmp_path / str(compiled) / artifact.folder / artifact.file("weights"))
            if artifact.stage in ("dataset", "train") or (compiled and artifact.stage != "report"):
                make(artifact, plan, tmp_path / str(compiled))
    plain, fast = map(load_file, weights)
    assert plain.keys() == fast.keys()
    assert all(np.allclose(plain[name], fast[name], atol=1e-4) for name in plain)


def test_what_cannot_be_compiled_is_said_and_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the console, in the artifact's record and in the report."""

    def refuses(*_: Any, **__: Any) -> Any:
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr("torch.compile", refuses)
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"] |= {"sizes": [4], "basin": None, "curvature": None, "energy": None, "losses": None}
    config["runtime"] |= {"compile": True}
    plan = run_project(config, tmp_path)
    said = "the network could not be compiled (Failed to find C compiler); it computes without"
    assert capsys.readouterr().err.count(f"note: {said}") == 2  # training and sampling
    (training,) = (a for a in plan.by_folder.values() if a.stage == "train")
    assert json.loads((tmp_path / training.folder / SPEC).read_text())["provenance"]["fell_back"] == [said]
    page = (tmp_path / "results/tiny/report.html").read_text()
    assert f"<dt>done in another way</dt><dd>{said}</dd>" in page
