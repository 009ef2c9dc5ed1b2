"""Commands for people: what they print, and their exit status."""

from __future__ import annotations

import copy
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from amdiff.catalogue import STAGES
from amdiff.catalogue.landscape import FLOW_EVALUATIONS
from amdiff.config import UnetDenoiser, parse_config
from amdiff.frozen import freeze
from amdiff.project import prepare
from tests.conftest import REPO, SMALL, TOY, run_project
from tests.program import amdiff
from tests.workflow_tools import Project


@pytest.fixture(scope="module")
def root(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the small configuration has run, and no more is known of that run."""
    root = tmp_path_factory.mktemp("cli") / "root"
    finished.copy(root)
    for left in ("scratch", "workflow/config"):
        shutil.rmtree(root / left)
    return root


def test_help_lists_the_commands_for_people() -> None:
    """The one test here that starts a process."""
    text = subprocess.run([sys.executable, "-m", "amdiff"], capture_output=True, text=True, check=True).stdout
    assert all(f"\n  {name} " in text for name in ("init", "plan", "why", "verify", "prune", "schema"))


def test_plan_as_json(root: Path) -> None:
    found = json.loads(amdiff(root, "plan", "--json").stdout)
    (experiment,) = found["experiments"]
    assert (experiment["name"], experiment["dataset"]) == ("tiny", "digits")
    assert [m["K"] for m in experiment["models"]] == [4, 16]
    for model in experiment["models"]:
        assert {"K", "parameters", "iterations", "address"} <= model.keys()
        assert (model["parameters"], model["iterations"]) == (21048, 60)
    assert experiment["jobs"] == found["total_jobs"] == 20


def test_plan_for_people(root: Path, tmp_path: Path) -> None:
    assert "0 of 19 artifacts are still to be made" in amdiff(root, "plan").stdout
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(SMALL))
    text = amdiff(tmp_path, "plan").stdout
    assert "19 of 19 artifacts are still to be made: 1 dataset, 2 train, 2 sample" in text


def test_verify_says_what_is_not_whole(root: Path) -> None:
    whole = amdiff(root, "verify")
    assert (whole.returncode, whole.stdout) == (0, "19 artifacts checked, 0 problems\n")
    path = next((root / "artifacts/digits/sample").glob("K00004-*/samples.h5"))
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    try:
        broken = amdiff(root, "verify")
        assert broken.returncode == 1
        assert f"{path.relative_to(root)} is damaged" in broken.stdout
        assert amdiff(root, "verify", "artifacts/digits/sample").returncode == 1
        assert amdiff(root, "verify", str(path.relative_to(root))).returncode == 1
        assert amdiff(root, "verify", "config.yaml").returncode == 2
        assert "damaged" in amdiff(root, "why", str(path.relative_to(root))).stdout
        assert amdiff(root, "verify", "artifacts/digits/train").returncode == 0
    finally:
        path.write_bytes(content)


def test_verify_looks_at_what_is_published(root: Path) -> None:
    (stamp,) = (root / "results/tiny").glob(".address-*")
    for path in (root / "results/tiny/tables/fractions.csv", stamp):
        content = path.read_bytes()
        path.write_bytes(b"\xff" + content[1:-1])
        try:
            broken = amdiff(root, "verify")
            assert broken.returncode == 1
            assert f"{path.relative_to(root)} is damaged" in broken.stdout
            remedy = f"to repair it, run `rm {stamp.relative_to(root)}`, then `snakemake --cores all tiny`"
            assert remedy in broken.stdout
        finally:
            path.write_bytes(content)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plan", "--configfile", "none.yaml"), "there is no configuration none.yaml"),
        (("verify", "nowhere"), "nowhere does not exist"),
        (("train", "artifacts/digits/train/K00004-000000000000"), "is no artifact of this configuration"),
        (("publish", "unknown"), "no experiment 'unknown' in this configuration; known: tiny"),
    ],
)
def test_mistakes_end_in_one_line_and_status_2(root: Path, arguments: tuple[str, ...], message: str) -> None:
    done = amdiff(root, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_usage_mistake_has_status_2(root: Path) -> None:
    for arguments in (("plan", "--nonsense"), ("frobnicate",), ("train",)):
        done = amdiff(root, *arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
    assert "Commands:" in amdiff(root).stdout


def test_a_stage_refuses_an_artifact_of_another(root: Path) -> None:
    folder = next((root / "artifacts/digits/train").glob("K00004-*")).relative_to(root)
    done = amdiff(root, "sample", str(folder))
    assert done.returncode == 2
    assert "is made by `amdiff train`" in done.stderr


def why(root: Path, path: Path, config: dict[str, Any], tmp_path: Path) -> str:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    return amdiff(root, "why", str(path.relative_to(root)), "--configfile", str(tmp_path / "c.yaml")).stdout


def test_why(root: Path, tmp_path: Path) -> None:
    weights = next((root / "artifacts/digits/train").glob("K00004-*/weights.safetensors"))
    text = why(root, weights, SMALL, tmp_path)
    assert "stage train, version 1" in text
    assert "size: 4" in text
    assert "would not be made again: it is whole" in text
    tiny = SMALL["experiments"]["tiny"]
    other = {**SMALL, "experiments": {"tiny": {**tiny, "training": {**tiny["training"], "learning_rate": 0.1}}}}
    text = why(root, weights, other, tmp_path)
    assert (
        "does not ask for it; the most similar artifact that it asks for differs in training.learning_rate "
        "(0.005, asked: 0.1)" in text
    )


def test_why_of_a_published_result_is_that_of_its_report(root: Path, tmp_path: Path) -> None:
    text = why(root, root / "results/tiny/figures/fractions.svg", SMALL, tmp_path)
    assert f"stage report, version {STAGES['report'].version}" in text
    assert "would not be made again: it is whole" in text


def smaller(tmp_path: Path) -> dict[str, Any]:
    """A configuration that asks for less, written to c.yaml."""
    found = {**SMALL, "experiments": {"tiny": {**SMALL["experiments"]["tiny"], "sizes": [4]}}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(found))
    return found


def test_prune_removes_what_nothing_refers_to(root: Path, tmp_path: Path) -> None:
    assert "0 of 19 artifacts" in amdiff(root, "prune").stdout
    less, place = smaller(tmp_path), tmp_path / "root"
    asked = ("prune", "--delete", "--configfile", str(tmp_path / "c.yaml"))
    shutil.copytree(root, place)
    run_project(less, place)
    refused = amdiff(place, *asked)
    assert refused.returncode == 2
    assert "nobody can be asked whether to remove them, and nothing was removed" in refused.stderr
    assert amdiff(place, "verify").stdout.startswith("25 artifacts")
    removed = amdiff(place, *asked, "--yes").stdout
    assert removed.count("unused artifacts/") == 14
    assert "14 of 25 artifacts" in removed
    assert amdiff(place, "verify").stdout.startswith("11 artifacts checked, 0 problems")


def test_prune_keeps_what_pages_were_made_of(root: Path, tmp_path: Path) -> None:
    smaller(tmp_path)
    listed = amdiff(root, "prune", "--configfile", str(tmp_path / "c.yaml")).stdout
    assert "kept: " in listed
    assert "published pages were made of them" in listed
    assert "unused" not in listed


def test_prune_keeps_what_runs_before_asked_for(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "root"
    shutil.copytree(root, place)
    shutil.rmtree(place / "results")
    smaller(tmp_path)
    asked = ("prune", "--configfile", str(tmp_path / "c.yaml"))
    assert "unused" in amdiff(place, *asked).stdout
    freeze(prepare(parse_config(SMALL), place).config, place)
    listed = amdiff(place, *asked).stdout
    assert "unused" not in listed
    assert "remove what is in scratch/config/ to give them up" in listed
    (place / "scratch/config/old.json").write_text('{"datasets": {"digits": {"kind": "of another version"}}}')
    assert "note: " in amdiff(place, *asked).stdout
    refused = amdiff(place, *asked, "--delete", "--yes")
    assert refused.returncode == 2
    assert "old.json is not understood, so what that run asked for is not known" in refused.stdout
    assert "nothing was removed" in refused.stderr


def test_prune_does_not_trust_what_is_damaged(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "root"
    shutil.copytree(root, place)
    spec = next((place / "artifacts/digits/sample").glob("*/spec.json"))
    for content in ("[]", "{", ""):
        spec.write_text(content)
        done = amdiff(place, "prune")
        assert done.returncode == 0, done.stderr
        assert f"note: {spec.relative_to(place)} " in done.stdout
    assert amdiff(place, "prune", "--delete", "--yes").returncode == 2


@pytest.mark.parametrize("command", ["plan", "verify", "prune", "paper"])
def test_outside_a_project_commands_say_so(command: str, tmp_path: Path) -> None:
    done = amdiff(tmp_path, command)
    assert done.returncode == 2
    assert "`amdiff init`" in done.stderr


def test_every_place_has_the_same_version() -> None:
    import amdiff as package

    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((REPO / "CITATION.cff").read_text())
    assert project["version"] == cited["version"] == package.__version__
    assert f"\n## [{package.__version__}] - 20" in (REPO / "CHANGELOG.md").read_text()
    assert (Path(package.__file__).parent / "py.typed").exists()


def test_version() -> None:
    assert amdiff(REPO, "--version").stdout == f"amdiff {importlib.metadata.version('amdiff')}\n"


def test_plan_estimates_hours(root: Path) -> None:
    text = amdiff(root, "plan", "--steps-per-second", "2").stdout
    # 60 steps of 4 and of 16 images; 2 steps/s are those of 16
    expected = 60 * (4 + 16) / 16 / 2 / 3600
    assert f"about {expected:.3g} hours of training" in text
    found = json.loads(amdiff(root, "plan", "--json", "--steps-per-second", "2").stdout)["experiments"][0]
    assert found["hours"]["training"] == pytest.approx(expected)
    # batches of 4 and 16 images, three passes each
    assert found["passes"]["training"] == 3 * 60 * (4 + 16)
    # 24 and 64 samples in 8 steps each, with the time of a step for its largest batch
    assert found["passes"]["sampling"] == 8 * (24 + 64)
    assert found["hours"]["sampling"] == pytest.approx(8 * (24 + 64) / (3 * 16 * 2) / 3600)
    done = amdiff(root, "plan").stdout
    assert "median of the trainings that are done" in done
    assert " CPU hours of training" in done
    wrong = amdiff(root, "plan", "--steps-per-second", "0")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "expected a positive number" in wrong.stderr


def test_plan_estimates_hours_and_money_for_a_gpu_that_is_not_here(tmp_path: Path) -> None:
    """At the rate of a training step in bfloat16, 45 TFLOP a second."""
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"] |= {
        "denoiser": {"kind": "unet", "width": 256, "multipliers": [1, 1], "attention_at": []},
        "sizes": [4], "basin": None, "curvature": None, "losses": None,
        "training": {"iterations": 10**7, "batch_size": 128, "cap_batch": False, "precision": "bfloat16"},
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    command = ("plan", "--device", "h200", "--hourly", "2.5")
    entry = json.loads(amdiff(tmp_path, *command, "--json").stdout)["experiments"][0]
    found, spec = entry["hours"], UnetDenoiser(kind="unet", width=256, multipliers=(1, 1), attention_at=())
    assert found["training"] == pytest.approx(3 * 128e7 * spec.flops((1, 8, 8)) / 45e12 / 3600, rel=1e-3)
    assert found["stages"].keys() == {"train", "sample", "energy"}
    assert found["analyses"] == found["stages"]["energy"]
    text = amdiff(tmp_path, *command).stdout
    total = sum(found["stages"].values())
    assert f"note: {total:.3g} hours at 2.5 are {2.5 * total:.3g} in all" in text
    assert "note: the NVIDIA H200 was timed with version 0.2.0" in text
    assert "not timed on it" not in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--device", "abacus"), "--device: got 'abacus'; timed were h100, h200"),
        (("--hourly", "-1"), "--hourly: got -1, expected a positive number"),
        (("--device", "h200", "--measure"), "--measure and --device: give one of them"),
    ],
)
def test_estimates_that_cannot_be_made_are_refused(options: tuple[str, ...], said: str) -> None:
    done = amdiff(REPO, "plan", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_plans_of_days_say_so(tmp_path: Path) -> None:
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"]["training"]["iterations"] = 10**10
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    text = amdiff(tmp_path, "plan").stdout
    assert "by arithmetic, within a factor of three; --measure times them here" in text
    assert "hours of one processor core, by the networks' arithmetic" in text
    assert "training of tiny takes 100% of it" in text


def test_the_toys_likelihoods_are_counted(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(TOY))
    found = json.loads(amdiff(tmp_path, "plan", "--json").stdout)["experiments"][0]
    assert found["passes"]["analyses"] == 2 * 11**2 * FLOW_EVALUATIONS * 3
    assert found["hours"]["analyses"] > 0


def test_plan_measures_this_machine(root: Path) -> None:
    found = json.loads(amdiff(root, "plan", "--json", "--measure").stdout)["experiments"][0]["hours"]
    assert found["source"] == "measured here, cpu"
    assert found["steps_per_second"] > 5


@pytest.mark.parametrize(("command", "status"), [("plan", 1), ("audit", 2)])
def test_a_fault_of_amdiff_is_told_as_one(
    command: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as if it were the user's mistake: what it is, where its traceback lies, and to report it."""

    def broken(*_: object, **__: object) -> None:
        raise ValueError("too many values to unpack")

    monkeypatch.setattr("amdiff.commands.planning.show_plan", broken)
    monkeypatch.setattr("amdiff.commands.audit.audit", broken)
    folder = tmp_path / ("logs" if command == "plan" else "temporary")  # a project has logs/, an audit need not
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    folder.mkdir()
    (tmp_path / "images").mkdir()
    arguments = [] if command == "plan" else ["--train", "images", "--synthetic", "images"]
    done = amdiff(tmp_path, command, *arguments)
    assert done.returncode == status
    assert "this is a fault of amdiff itself, ValueError: too many values to unpack; finished results" in done.stderr
    (kept,) = folder.glob("fault-*.txt")
    shown = f"logs/{kept.name}" if command == "plan" else str(kept)
    assert f"Its traceback is in {shown}; please report it" in done.stderr
    assert kept.read_text().splitlines()[0] == " ".join(["amdiff", command, *arguments])
    assert 'raise ValueError("too many values to unpack")' in kept.read_text()


@pytest.mark.parametrize("gpu", [True, False])
def test_too_little_memory_is_no_fault(gpu: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def full(*_: object) -> None:
        if gpu:
            raise torch.OutOfMemoryError("CUDA out of memory")
        torch.empty(10**15)

    monkeypatch.setattr("amdiff.commands.planning.show_plan", full)
    done = amdiff(tmp_path, "plan")
    assert done.returncode == 1
    where, what = ("the GPU", "CUDA out of memory") if gpu else ("this machine", ".*can't allocate memory.*")
    assert re.match(rf"amdiff: {where} has too little memory \({what}\); lower runtime.sampling_batch", done.stderr)
    assert not (tmp_path / "logs").exists()
