"""A project begun by ``amdiff init``: in a clone, and from the wheel alone."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from PIL import Image

from amdiff.config import read_config
from tests.conftest import REPO
from tests.program import amdiff
from tests.workflow_tools import Project


def pictures(folder: Path, count: int = 60) -> Path:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), np.uint8)).save(folder / f"{i:02}.png")
    return folder


def test_a_project_is_begun(tmp_path: Path) -> None:
    done = amdiff(tmp_path, "init", "p")
    assert done.returncode == 0, done.stderr
    assert "snakemake --cores all" in done.stdout
    project = Project.at(tmp_path / "p")
    assert set(read_config(project.root / "config.yaml").experiments) == {"digits"}
    project.run("env", f"PYTHONPATH={REPO}", "snakemake", "-n")
    stages = yaml.safe_load((project.root / "dvc.yaml").read_text())["stages"]
    assert stages["digits"]["cmd"] == "snakemake --cores all digits"
    again = amdiff(tmp_path, "init", "p")
    assert again.returncode == 2
    assert "already, and nothing was written" in again.stderr


def test_pictures_of_ones_own(tmp_path: Path) -> None:
    """Beside the project or inside it; with a name that YAML would read otherwise."""
    for place in ("on: my {pictures}", "p/pictures"):
        pictures(tmp_path / place)
    done = amdiff(tmp_path, "init", "p", "--data", "p/pictures")
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load((tmp_path / "p/config.yaml").read_text())["datasets"]["mine"]["path"] == "pictures"
    done = amdiff(tmp_path, "init", "q", "--data", "on: my {pictures}")
    assert done.returncode == 0, done.stderr
    # sizes for which there are enough pictures
    assert read_config(tmp_path / "q/config.yaml").experiments["mine"].first_sizes == (8, 32)
    assert amdiff(tmp_path / "q", "plan").returncode == 0
    few = pictures(tmp_path / "few", 20)
    refused = amdiff(tmp_path, "init", "r", "--data", str(few))
    assert "20 pictures are too few: the smallest training set has 8, and 20 must be left over" in refused.stderr


def test_a_project_does_not_lie_among_its_pictures(tmp_path: Path) -> None:
    place = pictures(tmp_path / "IMG_SIZES_PATH")
    for folder in (".", "inside"):
        refused = amdiff(place, "init", folder, "--data", ".")
        assert refused.returncode == 2
        assert "whose results would be taken for pictures" in refused.stderr
    assert amdiff(tmp_path, "init", "p", "--data", place.name).returncode == 0
    assert read_config(tmp_path / "p/config.yaml").datasets["mine"].path == place


def test_arrays_that_want_to_be_described(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((90, 1, 8, 8), np.float32))
    done = amdiff(tmp_path, "init", "p", "--data", "x.npy")
    assert done.returncode == 0
    assert "state the values that mean black and white" in done.stdout


def test_containers_are_those_that_datasets_read(tmp_path: Path) -> None:
    """In several suffixes, and in HDF5 by what its arrays hold."""
    place = pictures(tmp_path / "x")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        for path in sorted(place.iterdir()):
            archive.add(path, path.name)
    with h5py.File(tmp_path / "encoded.h5", "w") as file:
        rows = file.create_dataset("pictures", (60,), h5py.vlen_dtype(np.uint8))
        for row, path in enumerate(sorted(place.iterdir())):
            rows[row] = np.frombuffer(path.read_bytes(), np.uint8)
    with h5py.File(tmp_path / "numbers.h5", "w") as file:
        file["images"] = np.zeros((60, 3, 8, 8), np.uint8)
    for name, kind in (("x.tar.gz", "folder"), ("encoded.h5", "folder"), ("numbers.h5", "arrays")):
        done = amdiff(tmp_path, "init", f"p-{name}", "--data", name)
        assert done.returncode == 0, done.stderr
        assert read_config(tmp_path / f"p-{name}/config.yaml").datasets["mine"].kind == kind


@pytest.mark.parametrize("data", ["nowhere", "text.txt"])
def test_data_that_cannot_be_used(data: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("hello")
    done = amdiff(tmp_path, "init", "p", "--data", data)
    assert done.returncode == 2
    assert data in done.stderr
    assert not (tmp_path / "p").exists()


def test_from_the_wheel_alone(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*build, str(REPO)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    place = f"PYTHONPATH={tmp_path / 'installed'}"
    outside = Project.at(tmp_path)
    outside.run("env", place, "python", "-m", "amdiff", "init", "p")
    project = Project.at(tmp_path / "p")
    dry = project.run("env", place, "snakemake", "-n").stdout
    assert "report_digits" in dry
    made = project.run("env", place, "snakemake", "--cores", "1", "--until", "dataset")
    assert "done    dataset digits" in made.stderr
    # figures' captions for Snakemake's own report are the package's
    code = "import amdiff.catalogue as c; print(c.__file__); print(c.FIGURES['fractions'].caption)"
    path, _, caption = project.run("env", place, "python", "-c", code).stdout.partition("\n")
    assert path.startswith(str(tmp_path / "installed"))
    assert (tmp_path / "p/scratch/captions/fractions.rst").read_text() == caption
