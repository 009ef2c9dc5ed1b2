"""A clock set back: everything that was made before seems to come from the future."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from tests.workflow_tools import Project


@pytest.mark.full
def test_a_clock_set_back(project: Project, finished: Project) -> None:
    later = time.time() + 2 * 86400
    for path in project.root.rglob("*"):
        os.utime(path, (later, later))
    assert project.planned() == {}
    for stage in ("neighbors", "classify", "report"):
        shutil.rmtree(project.root / "artifacts/digits" / stage)
    shutil.rmtree(project.root / "results")
    before = project.made()
    project.snakemake()
    assert before.items() < project.made().items()
    assert project.checksums() == finished.checksums()
    assert project.planned() == {}
