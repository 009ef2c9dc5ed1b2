"""Shared fixtures: small configurations, and a project folder to run in."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings

from amdiff.config import parse_config
from amdiff.plan import Plan
from amdiff.project import prepare
from amdiff.stages import make
from amdiff.stages.publication import publish
from tests.workflow_tools import REPO, Project, once

__all__ = ["REPO"]

# the same examples on every run: a red CI is a change, not a draw
settings.register_profile("amdiff", derandomize=True, deadline=None)
settings.load_profile("amdiff")

torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")

SMALL: dict[str, Any] = {
    "datasets": {"digits": {"kind": "digits"}},
    "experiments": {
        "tiny": {
            "dataset": "digits",
            "sizes": [4, 16],
            "denoiser": {"kind": "mlp", "width": 70, "blocks": 1, "time_features": 16},
            "training": {"iterations": 60, "batch_size": 16, "learning_rate": 0.005},
            "sampling": {"steps": 8, "minimum": 24},
            "neighbors": {"heldout_limit": 100},
            "thresholds": {"method": "heldout", "pooled": True, "bootstrap": 20},
            "panels": {"columns": 2},
            "basin": {"count": 5, "train_count": 4, "copies": 3, "steps": 3, "stride": 150, "scan": [0.5, 1.0]},
            "curvature": {"count": 5, "train_count": 4, "times": [2]},
            "energy": {"count": 5, "train_count": 4, "points": 5, "references": 2},
            "losses": {"count": 8, "levels": 3},
        }
    },
    "runtime": {"device": "cpu", "progress_seconds": 60},
}

TOY: dict[str, Any] = {
    "datasets": {"circle": {"kind": "circle", "count": 500}},
    "experiments": {
        "ring": {
            "kind": "circle",
            "dataset": "circle",
            "sizes": [2, 20],
            "denoiser": {"kind": "fourier-mlp", "width": 8, "blocks": 2, "time_features": 8, "time_scale": 1.0},
            "training": {"iterations": 40, "batch_size": 16, "learning_rate": 0.001},
            "sampling": {"steps": 10, "count": 30},
            "likelihood": {"points": 11, "tolerance": 0.01},
        }
    },
    "runtime": {"device": "cpu", "progress_seconds": 60},
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Tests that draw from torch's global generator draw the same on every run."""
    torch.manual_seed(0)


@pytest.fixture
def small() -> dict[str, Any]:
    """A configuration that runs whole in seconds; change it at will."""
    return copy.deepcopy(SMALL)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def run_project(config: dict[str, Any], root: Path) -> Plan:
    """Make every artifact of a configuration below ``root``, stage by stage, and publish the results."""
    plan = prepare(parse_config(config), root)
    for artifact in plan.by_folder.values():
        make(artifact, plan, root)
    for page in plan.pages:
        publish(page, root)
    return plan


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the small configuration has run whole; copy it before changing it."""
    return Project.at(once(tmp_path_factory, "finished", lambda root: Project(root, SMALL).snakemake()))


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project."""
    return finished.copy(tmp_path / "p")


OFFLINE = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser that reaches nothing."""
    path = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)
    if path is None and not os.environ.get("CI"):
        pytest.skip("no Chromium here; install it by the system's package manager")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=OFFLINE)
        yield browser
        browser.close()
