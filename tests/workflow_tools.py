"""A copy of the project to run the workflow in, as a user would have it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from amdiff.files import locked

REPO = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
DATA_SUFFIXES = {".h5", ".json", ".safetensors", ".jsonl", ".parquet", ".csv", ".svg", ".png", ".pdf", ".html"}


class Project:
    """A project folder: the repository's files, a configuration of its own, and no results yet."""

    def __init__(self, root: Path, config: dict[str, Any] | None = None) -> None:
        self.root = root
        files = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=REPO,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in files.stdout.split():
            source = REPO / name
            if source.is_file() and not name.startswith(("tests/", "docs/")):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, root / name)
        if config is not None:
            self.configure(config)

    @classmethod
    def at(cls, root: Path) -> Project:
        """The project that a folder already holds."""
        project = cls.__new__(cls)
        project.root = root
        return project

    def copy(self, root: Path) -> Project:
        """A copy of the whole folder."""
        shutil.copytree(self.root, root, symlinks=True)
        return Project.at(root)

    def configure(self, config: dict[str, Any]) -> None:
        (self.root / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    @property
    def environment(self) -> dict[str, str]:
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        kept = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "AMDIFF_TRACEBACK")}
        return {**kept, "PATH": path, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
        return done

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        done = self.run(str(BIN / "snakemake"), "--cores", "2", *arguments, check=check)
        return done.stdout + done.stderr

    def start(self, *arguments: str, output: Path = Path(os.devnull)) -> subprocess.Popen[str]:
        """Start snakemake in a process group of its own."""
        with output.open("w") as stream:
            return subprocess.Popen(
                [str(BIN / "snakemake"), "--cores", "2", *arguments],
                cwd=self.root, env=self.environment, text=True, start_new_session=True,
                stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a dry run would start, by rule; empty when there is nothing to be done."""
        text = self.snakemake("--dry-run", "--quiet", "reason", *arguments)
        if "Nothing to be done" in text:
            return {}
        lines = text.split("Job stats:")[1].split("total")[0].splitlines()[3:]
        return {line.split()[0]: int(line.split()[1]) for line in lines if len(line.split()) == 2}

    def models(self) -> list[dict[str, Any]]:
        """The models of the first experiment, as `amdiff plan --json` lists them."""
        return json.loads(self.run("python", "-m", "amdiff", "plan", "--json").stdout)["experiments"][0]["models"]

    def checksums(self) -> dict[str, str]:
        """SHA-256 of every data file that people or later stages read."""
        return {
            p.relative_to(self.root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
            for top in ("artifacts", "data/canonical", "results")
            for p in sorted((self.root / top).rglob("*"))
            if p.is_file() and p.suffix in DATA_SUFFIXES and p.name != "spec.json"
        }

    def made(self) -> dict[Path, str]:
        """What each ``spec.json`` says: that of an artifact which was made again tells other times."""
        return {path: path.read_text() for path in self.root.glob("artifacts/*/*/*/spec.json")}

    def scramble_times(self) -> None:
        """Give every file another time, in no order, as a pull or a clone does."""
        for number, path in enumerate(
            sorted(self.root.rglob("*"), key=lambda p: hashlib.md5(str(p).encode()).digest())
        ):
            if path.is_file() and ".git" not in path.parts:
                os.utime(path, (1_600_000_000 + 7 * number, 1_600_000_000 + 7 * number))


def once(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]) -> Path:
    """A folder of this name, filled by the first test process that needs it, for all of them to read."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    folder = (factory.getbasetemp() if alone else factory.getbasetemp().parent) / name
    done = folder.with_suffix(".done")
    with locked(folder.with_suffix(".lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            fill(folder)
            done.touch()
    return folder


def descendants(pid: int) -> list[int]:
    """A process and all that came of it, wherever their groups are."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for line in listing.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    waiting, family = [pid], []
    while waiting:
        family.append(waiting.pop())
        waiting += children.get(family[-1], [])
    return family


def kill_tree(process: subprocess.Popen[str]) -> None:
    """kill -9 of a process and all its descendants."""
    for pid in descendants(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def wait_for(condition: Any, seconds: float = 300) -> None:
    """Wait until ``condition()`` holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.02)
