"""Networks that are compiled: all stages work, and results are the same up to rounding."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
from safetensors.numpy import load_file

from amdiff.config import parse_config
from amdiff.project import prepare
from amdiff.stages import make
from tests.conftest import SMALL, TOY


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
