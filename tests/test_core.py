"""The core and audits need what ``pip install amdiff`` brings, and no more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.installs import ROOT, asked_for, brought

FORBIDDEN = ("snakemake", "dvc", "lmdb", "sklearn", "pandas", "mkdocs", "pytest")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the core's dependencies, and theirs, alone."""
    root = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
    (site,) = root.glob("lib/python*/site-packages")
    for distribution in brought(asked_for()).values():
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution.locate_file(top))))
    (site / "amdiff").symlink_to(ROOT / "amdiff")
    return root / "bin/python"


def run(python: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(python), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_the_environment_lacks_what_the_workflow_needs(bare: Path, tmp_path: Path) -> None:
    code = f"import importlib.util as u; print([n for n in {FORBIDDEN} if u.find_spec(n)])"
    assert run(bare, "-c", code, cwd=tmp_path).stdout.strip() == "[]"


def test_the_core_imports_and_computes(bare: Path, tmp_path: Path) -> None:
    code = """
import numpy as np, torch
import amdiff.diffusion, amdiff.landscape, amdiff.neighbors, amdiff.phases
from amdiff.diffusion import FiniteSet, SampleNoise, Schedule, ddpm_steps, draw, to_uint8
from amdiff.neighbors import embed
from amdiff.phases import sort_samples
images = np.random.default_rng(0).integers(0, 256, (60, 1, 4, 4), dtype=np.uint8)
model = FiniteSet(torch.from_numpy(images[:30]).double() / 127.5 - 1, schedule := Schedule.linear())
drawn = to_uint8(draw(model, ddpm_steps(schedule, 100), SampleNoise(0, range(40)), (1, 4, 4))).numpy()
found = sort_samples(embed(drawn), embed(images[:30]), embed(images[30:]))
print(found.fractions.memorized.value)
"""
    done = run(bare, "-c", code, cwd=tmp_path)
    assert done.stdout.strip() == "1.0", done.stderr


def test_an_audit_runs(bare: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (90, 1, 8, 8), np.uint8)
    np.save(tmp_path / "train.npy", images[:40])
    np.save(tmp_path / "heldout.npy", images[40:70])
    np.save(tmp_path / "samples.npy", np.concatenate([images[:10], images[70:]]))
    done = run(
        bare, "-m", "amdiff", "audit", "--train", "train.npy", "--synthetic", "samples.npy", "--heldout",
        "heldout.npy", "--metric", "pixels", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "memorized: 0.3333" in done.stdout
    assert (tmp_path / "audit/report.html").exists()


def test_what_the_workflow_brings_is_asked_for(bare: Path, tmp_path: Path) -> None:
    code = """
from amdiff.config import DigitsDataset
from amdiff.data.builtin import digits
digits(DigitsDataset(kind="digits"))
"""
    done = run(bare, "-c", code, cwd=tmp_path)
    assert "DataError: the dataset 'digits' comes with the package scikit-learn; pip install 'amdiff[workflow]'" in (
        done.stderr
    )
