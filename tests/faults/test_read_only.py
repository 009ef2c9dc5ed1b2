"""Folders that cannot be written: said before work starts, in one line where it fails, and all goes on after."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.workflow_tools import Project


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A mount of a folder onto itself that refuses writes, from root as well."""
    folder.mkdir(exist_ok=True)
    for command in (["mount", "--bind", str(folder), str(folder)], ["mount", "-o", "remount,ro,bind", str(folder)]):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.full
@pytest.mark.parametrize("name", ["results", "artifacts", "logs", "scratch"])
def test_a_read_only_folder(name: str, project: Project, finished: Project) -> None:
    folder = project.root / name
    with read_only(folder):
        assert "Nothing to be done" in project.snakemake()
    if name == "results":
        shutil.rmtree(folder)
    else:  # a page is made from others
        shutil.rmtree(project.root / "artifacts/digits/report")
        shutil.rmtree(project.root / "results")
    with read_only(folder):
        output = project.snakemake(check=False)
    assert f"note: {name} cannot be written; jobs that write there will fail" in output
    assert "Read-only file system" in output
    if name == "scratch":
        assert "amdiff: scratch/locks/" in output
        assert "make it accessible and run again: nothing finished is lost" in output
    project.snakemake()
    assert project.checksums() == finished.checksums()


def test_read_only_notes_of_snakemake(project: Project, finished: Project) -> None:
    """Snakemake would end in a traceback of its own."""
    shutil.rmtree(project.root / "results")
    (project.root / ".snakemake").mkdir(exist_ok=True)
    with read_only(project.root / ".snakemake"):
        output = project.snakemake(check=False)
    assert ".snakemake cannot be written" in output
    assert "make it accessible and run again: nothing finished is lost" in output
    assert "Traceback" not in output
    project.snakemake()
    assert project.checksums() == finished.checksums()
