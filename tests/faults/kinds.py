"""One small project with an artifact of every kind, made once and copied for each fault."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest

from amdiff.artifacts import SPEC, Artifact
from amdiff.catalogue import STAGES
from amdiff.files import read_json
from amdiff.plan import Plan
from amdiff.store import check_folder
from tests.conftest import SMALL, TOY
from tests.pipelines import tiny_pipeline
from tests.stages.test_convert import pipeline

KINDS = sorted(set(STAGES) - {"grid"})
"""All but the one that needs models which memorize; its file is read and written as the others are."""

STRUCK = [pytest.param(kind, marks=() if kind in ("train", "classify") else pytest.mark.full) for kind in KINDS]
"""For faults that strike each kind alike: a quick run tries two."""

SIZES = [4, 8]


def every_kind(root: Path) -> dict[str, Any]:
    """A configuration that has them; writes the models of others that it starts from."""
    tiny = {**copy.deepcopy(SMALL["experiments"]["tiny"]), "sizes": SIZES, "peers": {}, "twins": [4]}
    quiet = {"basin": None, "curvature": None, "energy": None, "losses": None}
    perceptual = {"neighbors": {"metric": "stlpips-alex", "heldout_limit": 100}}
    denoiser = {"kind": "pretrained", "path": str(pipeline(root / "model"))}
    foreign = {"dataset": "digits", "sizes": [4], "denoiser": denoiser, "sampling": {"steps": 8, "minimum": 24}}
    prompt = {"text": "a cat", "candidate": "memorized"}
    drawing = {"path": str(tiny_pipeline(root / "drawing"))}
    return {
        "datasets": {**SMALL["datasets"], **TOY["datasets"]},
        "experiments": {
            "tiny": tiny,
            "seen": {**tiny, **quiet, **perceptual, "peers": None, "twins": []},
            "foreign": {**foreign, **quiet},
            "ring": TOY["experiments"]["ring"],
        },
        "comparisons": {"both": {"experiments": ["tiny", "seen"]}},
        "prompts": {
            "cat": {
                "pipeline": drawing,
                "prompts": [prompt],
                "precision": "float32",
                "steps": 2,
                "spectrum": {"skip": 0},
            }
        },
        "runtime": SMALL["runtime"],
    }


def first_of(plan: Plan, stage: str) -> Artifact:
    """An artifact of a stage."""
    return next(a for a in plan.by_folder.values() if a.stage == stage)


def without(artifact: Artifact, made: Path, root: Path) -> None:
    """Copy what an artifact is made of, but not itself, as it was made below ``made``, to ``root``."""
    shutil.copy(made / "config.yaml", root)
    for parent in artifact.ancestors():
        shutil.copytree(made / parent.folder, root / parent.folder)


def assert_equal(artifact: Artifact, made: Path, root: Path) -> None:
    """That an artifact is whole, holds nothing else, and has the bytes that it has below ``made``."""
    files = read_json(made / artifact.spec)["files"]
    folder = root / artifact.folder
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == {*files, SPEC}
    assert read_json(root / artifact.spec)["files"] == files
    assert check_folder(root / artifact.spec) == []
