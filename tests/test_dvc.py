"""DVC as people use it: reproduce, record, push to a remote, pull on a fresh clone, and no job is run again."""

from __future__ import annotations

import copy
import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import s3fs
import yaml

from tests.conftest import SMALL, TOY, run_project
from tests.servers import s3, sshd
from tests.workflow_tools import BIN, Project, kill_tree

DVC = str(BIN / "dvc")
CONFIG = copy.deepcopy(SMALL)
# the names that dvc.yaml asks for
CONFIG["datasets"] |= TOY["datasets"]
CONFIG["experiments"] = {"digits": CONFIG["experiments"]["tiny"], "circle": TOY["experiments"]["ring"]}


def git(project: Project, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    return project.run("git", *identity, *arguments).stdout


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    """A lab's repository after `dvc repro`, commit and `dvc push` to a local remote."""
    base = tmp_path_factory.mktemp("dvc")
    project = Project(base / "lab", CONFIG)
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "start")
    project.run(DVC, "remote", "add", "-d", "lab", str(base / "remote"))
    run_project(CONFIG, project.root)  # in this process; pages are left to Snakemake, that it has something to do
    for page in ("digits", "circle"):
        shutil.rmtree(project.root / "results" / page)
        shutil.rmtree(project.root / "artifacts" / page / "report")
    output = project.run(DVC, "repro")
    assert "Running stage 'digits'" in output.stdout
    assert "Running stage 'circle'" in output.stdout
    git(project, "add", "-A")
    git(project, "commit", "-qm", "Record results")
    project.run(DVC, "push")
    return project, base


def test_repro_runs_the_default_experiments(recorded: tuple[Project, Path]) -> None:
    project, _ = recorded
    assert (project.root / "results/digits/report.html").exists()
    assert "up to date" in project.run(DVC, "repro").stdout


def test_results_are_tracked_by_dvc_and_not_by_git(recorded: tuple[Project, Path]) -> None:
    project, _ = recorded
    tracked = git(project, "ls-files").split()
    assert "dvc.lock" in tracked
    assert not [name for name in tracked if name.startswith(("artifacts/", "results/", "data/canonical/", "scratch/"))]
    outs = yaml.safe_load((project.root / "dvc.lock").read_text())["stages"]["digits"]["outs"]
    assert {o["path"] for o in outs} == {"artifacts/digits", "results/digits", "data/canonical/digits"}


def test_a_pull_on_a_fresh_clone_runs_no_job(recorded: tuple[Project, Path], tmp_path: Path) -> None:
    project, _ = recorded
    subprocess.run(["git", "clone", "-q", str(project.root), str(tmp_path / "clone")], check=True)
    clone = Project.at(tmp_path / "clone")
    assert not (clone.root / "results").exists()
    clone.run(DVC, "pull")
    clone.scramble_times()
    assert clone.planned() == {}
    assert "Nothing to be done" in clone.snakemake()
    assert clone.checksums() == project.checksums()
    assert clone.run("python", "-m", "amdiff", "verify").returncode == 0
    assert "up to date" in clone.run(DVC, "repro").stdout


def test_part_of_the_results_can_be_pulled(recorded: tuple[Project, Path], tmp_path: Path) -> None:
    project, _ = recorded
    subprocess.run(["git", "clone", "-q", str(project.root), str(tmp_path / "clone")], check=True)
    clone = Project.at(tmp_path / "clone")
    clone.run(DVC, "pull", "results/digits")
    assert (clone.root / "results/digits/report.html").exists()
    assert not (clone.root / "artifacts").exists()
    assert clone.planned("--cores", "2", "digits") == {}


def test_after_snakemake_repro_runs_no_job_and_records(recorded: tuple[Project, Path], tmp_path: Path) -> None:
    project, _ = recorded
    lab = project.copy(tmp_path / "p")
    config = copy.deepcopy(CONFIG)
    config["experiments"]["digits"]["panels"] = {"columns": 3}
    lab.configure(config)
    lab.snakemake()
    before = lab.checksums()
    output = lab.run(DVC, "repro")
    assert "Nothing to be done" in output.stdout + output.stderr
    assert lab.checksums() == before
    assert "up to date" in lab.run(DVC, "status").stdout


def test_changing_runtime_settings_reproduces_nothing(recorded: tuple[Project, Path], tmp_path: Path) -> None:
    project, _ = recorded
    lab = project.copy(tmp_path / "p")
    lab.configure({**CONFIG, "runtime": {"device": "auto"}})
    assert "up to date" in lab.run(DVC, "status").stdout


@pytest.fixture(params=["ssh", "s3"])
def add_remote(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Project], None]]:
    """A function that makes a real server the default remote of a repository, as the documentation says."""
    store = tmp_path / "store"
    store.mkdir()
    if request.param == "ssh":
        (tmp_path / "ssh").mkdir()
        with sshd(tmp_path / "ssh") as (port, key):
            user = pwd.getpwuid(os.getuid()).pw_name

            def over_ssh(project: Project) -> None:
                project.run(DVC, "remote", "add", "-d", "-f", "lab", f"ssh://{user}@127.0.0.1:{port}{store}")
                project.run(DVC, "remote", "modify", "--local", "lab", "keyfile", str(key))

            yield over_ssh
    else:
        with s3(store) as url:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "amdiff")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "amdiff-secret")
            s3fs.S3FileSystem(key="amdiff", secret="amdiff-secret", endpoint_url=url).mkdir("lab")

            def over_s3(project: Project) -> None:
                project.run(DVC, "remote", "add", "-d", "-f", "lab", "s3://lab/amdiff")
                project.run(DVC, "remote", "modify", "lab", "endpointurl", url)

            yield over_s3


def test_servers_share_results(
    recorded: tuple[Project, Path], add_remote: Callable[[Project], None], tmp_path: Path
) -> None:
    project, _ = recorded
    here, there = project.copy(tmp_path / "here"), Project.at(tmp_path / "there")
    add_remote(here)
    here.run(DVC, "push")
    subprocess.run(["git", "clone", "-q", str(here.root), str(there.root)], check=True)
    add_remote(there)
    there.run(DVC, "pull")
    assert there.checksums() == project.checksums()
    assert there.planned() == {}


def killed_at(project: Project, folder: Path, files: int, *command: str) -> bool:
    """Start dvc, and kill -9 its tree as soon as a folder holds so many files; whether it was still at work."""
    run = subprocess.Popen(
        [DVC, *command], cwd=project.root, env=project.environment, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while run.poll() is None and sum(path.is_file() for path in folder.rglob("*")) < files:
        time.sleep(0.002)
    working = run.poll() is None
    kill_tree(run)
    return working


@pytest.mark.full
def test_killed_while_it_pushes_and_pulls(recorded: tuple[Project, Path], tmp_path: Path) -> None:
    project, _ = recorded
    lab, remote = project.copy(tmp_path / "lab"), tmp_path / "remote"
    lab.run(DVC, "remote", "add", "-d", "-f", "lab", str(remote))
    assert killed_at(lab, remote, 1, "push")
    for files in (20, 60, 100):
        killed_at(lab, remote, files, "push")
    pushed = lab.run(DVC, "push", check=False)
    if pushed.returncode:  # struck while it wrote a list of files, which it then refuses by name
        name = re.search(r"object (\w+\.dir) is corrupted", pushed.stdout + pushed.stderr)
        assert name, pushed.stderr
        next(remote.rglob(name[1][2:])).unlink()
        lab.run(DVC, "push")
    subprocess.run(["git", "clone", "-q", str(lab.root), str(tmp_path / "clone")], check=True)
    clone = Project.at(tmp_path / "clone")
    clone.run(DVC, "remote", "add", "-d", "-f", "lab", str(remote))
    struck = []
    for folder, files in ((".dvc/cache", 1), (".dvc/cache", 60), ("artifacts", 1), ("artifacts", 40), ("results", 5)):
        struck.append(killed_at(clone, clone.root / folder, files, "pull"))
        told = clone.run("python", "-m", "amdiff", "verify", check=False)
        assert "Traceback" not in told.stderr
    assert any(struck)
    clone.run(DVC, "pull")
    assert clone.checksums() == project.checksums()
    assert clone.planned() == {}
    assert "0 problems" in clone.run("python", "-m", "amdiff", "verify").stdout
    assert "up to date" in clone.run(DVC, "status").stdout
