"""The workflow as people run it: snakemake in a project folder, from nothing, on real digits."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from amdiff.catalogue import SECTIONS, STAGES
from amdiff.config import ANALYSES
from amdiff.config.configuration import RULES
from amdiff.stages import stage_function
from tests.conftest import SMALL, TOY
from tests.workflow_tools import Project


def changed(config: dict[str, Any], block: str, **values: Any) -> dict[str, Any]:
    out = copy.deepcopy(config)
    out["experiments"]["tiny"][block].update(values)
    return out


def test_the_interfaces_that_stay(finished: Project) -> None:
    results = finished.root / "results/tiny"
    names = {p.relative_to(results).as_posix() for p in results.rglob("*") if p.is_file()}
    sections = ("phases", "losses", "basin", "curvature", "energy", "training")
    figures = [f.name for section in sections for f in SECTIONS[section].figures]
    expected = {f"figures/{f}.{suffix}" for f in figures for suffix in ("png", "svg", "pdf")}
    tables = {
        "basin.csv",
        "basin_scan.csv",
        "curvature.csv",
        "energy.csv",
        "fractions.csv",
        "thresholds.csv",
        "valleys.csv",
        "set_size.csv",
        "attractors.csv",
        "losses.csv",
        "attractor_counts.csv",
        "panels.csv",
        "samples.parquet",
    }
    expected |= {f"tables/{t}" for t in tables} | {"report.html"}
    assert {n for n in names if not n.startswith(".address-")} == expected
    assert sum(n.startswith(".address-") for n in names) == 1


def test_every_job_tells_its_progress_and_keeps_a_log(finished: Project) -> None:
    logs = {p.parent.name: p.read_text() for p in finished.root.glob("logs/digits/train/*.log")}
    assert re.search(r"train digits K\d+: 60/60 steps, loss [\d.]+, .* steps/s, done in", logs["train"])
    elsewhere = {
        "likelihood",
        "metric",
        "grid",
        "comparison",
        "convert",
        "peers",
        "twins",
    }  # other configurations ask for these
    elsewhere |= {"pipeline", "generate", "spectrum", "prompts"}
    assert {p.parent.name for p in finished.root.glob("logs/digits/*/*.log")} == set(STAGES) - elsewhere - {"report"}
    assert {p.parent.name for p in finished.root.glob("logs/*/tiny.log")} == {"report", "publish"}


def test_nothing_is_done_twice_whatever_the_times(project: Project) -> None:
    assert project.planned() == {}
    project.scramble_times()
    shutil.rmtree(project.root / ".snakemake")
    shutil.rmtree(project.root / "scratch")
    assert project.planned() == {}
    for intermediate in ("train", "sample", "neighbors", *ANALYSES):
        shutil.rmtree(project.root / "artifacts/digits" / intermediate)
    assert project.planned() == {}


def test_a_change_reruns_what_depends_on_it_and_nothing_else(project: Project) -> None:
    thresholds = changed(SMALL, "thresholds", quantile=0.02)
    project.configure(thresholds)
    again = dict.fromkeys(ANALYSES, 2)  # other samples are the clearest of their class
    assert project.planned() == {"all": 1, "tiny": 1, "thresholds": 1, "classify": 2, **again, "report_tiny": 1}
    project.configure(changed(SMALL, "training", learning_rate=0.004))
    expected = {
        "all": 1,
        "tiny": 1,
        "train": 2,
        "losses": 2,
        "sample": 2,
        "neighbors": 2,
        "thresholds": 1,
        "classify": 2,
        **again,
        "report_tiny": 1,
    }
    assert project.planned() == expected
    more = copy.deepcopy(SMALL)
    more["experiments"]["tiny"]["sizes"] = [4, 8, 16]
    project.configure(more)
    once = dict.fromkeys(("all", "tiny", "train", "losses", "sample", "neighbors", "thresholds", "report_tiny"), 1)
    assert project.planned() == {**once, "classify": 3, **dict.fromkeys(ANALYSES, 3)}
    analyses = changed(SMALL, "basin", scan=[0.7, 0.9, 1.0])  # the largest factor stays, distances are stored
    analyses = changed(analyses, "curvature", threshold=0.3, skip=2)
    project.configure(changed(analyses, "energy", points=6))
    assert project.planned() == {"all": 1, "tiny": 1, "energy": 2, "report_tiny": 1}
    project.configure({**SMALL, "runtime": {"device": "auto", "sampling_batch": 5}})
    assert project.planned() == {}


def test_what_people_look_at_is_never_stale(project: Project) -> None:
    page = project.root / "results/tiny/report.html"
    first = page.read_text()
    project.configure(changed(SMALL, "panels", columns=3))
    project.snakemake()
    second = page.read_text()
    assert "columns: 3" in second
    assert project.planned() == {}
    project.configure(SMALL)
    assert project.planned() == {"all": 1, "tiny": 1}
    project.snakemake()
    assert page.read_text() == first
    assert len(list((project.root / "results/tiny").glob(".address-*"))) == 1


def test_publication_follows_no_path_in_a_record(project: Project) -> None:
    """What was pulled may hold names that lead elsewhere: nothing is written or removed there."""
    (spec,) = project.root.glob("artifacts/digits/report/*/spec.json")
    record = json.loads(spec.read_text())
    (spec.parent.parent.parent / "stolen").write_text("x")
    record["files"] |= {"../../stolen": hashlib.sha256(b"x").hexdigest()}
    spec.write_text(json.dumps(record))
    forged = project.root / "artifacts/digits/report/forged"
    forged.mkdir()
    outside = [project.root / "dvc.yaml", project.root / "LICENSE"]
    (forged / "spec.json").write_text(json.dumps({"files": {"../../dvc.yaml": "", str(outside[1]): ""}}))
    (project.root / "results/tiny/.address-forged").write_text("artifacts/digits/report/forged")
    project.run("python", "-m", "amdiff", "publish", "tiny")
    assert not (project.root / "stolen").exists()
    assert all(path.exists() for path in outside)


def test_a_lost_result_comes_back(project: Project) -> None:
    (project.root / "results/tiny/figures/fractions.svg").unlink()
    assert project.planned() == {"all": 1, "tiny": 1}
    project.snakemake("tiny")
    assert (project.root / "results/tiny/figures/fractions.svg").exists()


def test_a_damaged_artifact_is_named_and_made_again(project: Project) -> None:
    weights = next((project.root / "artifacts/digits/train").glob("K00004-*/weights.safetensors"))
    before = project.checksums()
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    shutil.rmtree(next((project.root / "artifacts/digits/sample").glob("K00004-*")))
    for stage in ("neighbors", "thresholds", "classify", "report"):
        shutil.rmtree(project.root / "artifacts/digits" / stage)
    shutil.rmtree(project.root / "results")
    output = project.snakemake(check=False)
    assert f"amdiff: {weights.relative_to(project.root)} is damaged" in output
    assert "Traceback" not in output
    assert project.run("python", "-m", "amdiff", "verify", check=False).returncode == 1
    advice = project.run("python", "-m", "amdiff", "verify", check=False).stdout
    target = f"{weights.parent.relative_to(project.root)}/spec.json"
    assert f"snakemake --cores all {target}" in advice
    shutil.rmtree(weights.parent)
    project.snakemake(target)
    assert weights.exists()
    project.snakemake()
    after = project.checksums()
    assert after[weights.relative_to(project.root).as_posix()] == before[weights.relative_to(project.root).as_posix()]
    assert project.run("python", "-m", "amdiff", "verify").returncode == 0


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"sizes": [4, 5000]}, "K = 5000, but dataset 'digits' has 1797 training images"),
        ({"sizes": [0]}, "experiments.tiny.sizes.0: got 0"),
        ({"sizs": [4]}, "experiments.tiny.sizs: unknown key; did you mean 'sizes'?"),
        ({"denoiser": {"kind": "unet", "multipliers": [1, 1, 1, 1, 1]}}, "must be a multiple of 16, got 8"),
    ],
)
def test_a_bad_configuration_starts_no_job(tmp_path: Path, edit: dict[str, Any], message: str) -> None:
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"].update(edit)
    project = Project(tmp_path, config)
    output = project.snakemake(check=False)
    assert message in output
    assert "Traceback" not in output
    assert not (tmp_path / "artifacts").exists()
    assert not (tmp_path / "data/canonical").exists()


def test_a_missing_dataset_starts_no_job(tmp_path: Path) -> None:
    config = copy.deepcopy(SMALL)
    config["datasets"]["digits"] = {"kind": "folder", "path": "no/such/folder"}
    output = Project(tmp_path, config).snakemake(check=False)
    assert "datasets.digits: no/such/folder: there is no such file or folder" in output
    assert "Traceback" not in output


def test_cores_and_batches_change_images_by_rounding_only(finished: Project, tmp_path: Path) -> None:
    import h5py
    import numpy as np

    other = Project(tmp_path, {**SMALL, "runtime": {**SMALL["runtime"], "sampling_batch": 5}})
    other.snakemake("--cores", "1", "--until", "sample")
    for path in finished.root.glob("artifacts/digits/sample/*/samples.h5"):
        twin = other.root / path.relative_to(finished.root)
        with h5py.File(path) as a, h5py.File(twin) as b:
            assert np.array_equal(a["seed"][:], b["seed"][:])
            difference = np.abs(a["images"][:].astype(int) - b["images"][:])
            assert difference.max() <= 1  # a rounding at the border between two levels
            assert (difference > 0).mean() < 0.01


def test_snakemakes_own_report(project: Project) -> None:
    project.snakemake("--report", "report.zip")
    assert (project.root / "report.zip").stat().st_size > 10_000


def test_rules_commands_and_functions_share_their_names(finished: Project) -> None:
    listed = set(finished.snakemake("--list-rules").split())
    assert set(STAGES) - {"report", "comparison", "prompts"} | {"all", "report_tiny", "tiny"} <= listed
    assert set(STAGES) <= RULES
    for name in STAGES:
        assert stage_function(name).__name__ == name


def test_the_toy_model_is_an_experiment_like_the_others(tmp_path: Path) -> None:
    project = Project(tmp_path, TOY)
    project.snakemake()
    results = project.root / "results/ring"
    for name in ("landscape", "ring", "two_memories", "training"):
        assert (results / f"figures/{name}.svg").stat().st_size > 1000
    table = (results / "tables/landscape.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in table] == ["K", "2", "20"]
    assert "the learned energy has" in (results / "report.html").read_text()
    assert project.planned() == {}
    before = project.checksums()
    shutil.rmtree(project.root / "artifacts/circle/likelihood")
    shutil.rmtree(project.root / "artifacts/circle/report")
    shutil.rmtree(results)
    project.snakemake()
    assert project.checksums() == before
    assert project.run("python", "-m", "amdiff", "verify").returncode == 0


@pytest.mark.parametrize("name", ["My Drive/Bj\"örk's R&D #1 100% $HOME", "exp {lr} {0}"])
def test_names_of_folders_may_hold_anything(tmp_path: Path, name: str) -> None:
    """Spaces, quotes, braces and dollars: of the project, of its data, and of the container that they lie in."""
    rng = np.random.default_rng(0)
    root = tmp_path / name / "project"
    for side, count in (("train", 40), ("drawn", 24)):
        (root.parent / "photos" / side).mkdir(parents=True)
        for i in range(count):
            picture = Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8))
            picture.save(root.parent / f"photos/{side}/a 'b' {{{i}}}.png")
    folder = {"kind": "folder", "channels": 1}
    config = {
        "datasets": {
            "digits": {**folder, "path": "../photos/train"},
            "drawn": {**folder, "path": "../photos/drawn", "deduplicate": False},
        },
        "experiments": {"x": {"dataset": "digits", "sizes": [40], "denoiser": {"kind": "given", "samples": "drawn"}}},
        "runtime": {"device": "cpu"},
    }
    root.mkdir(parents=True)
    project = Project(root, config)
    project.snakemake("x")
    assert (root / "results/x/report.html").exists()
    assert "0 problems" in project.run("python", "-m", "amdiff", "verify").stdout
