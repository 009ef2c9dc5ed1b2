from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from amdiff.plan import Plan
from amdiff.project import open_plan
from tests.conftest import run_project
from tests.faults.kinds import every_kind
from tests.workflow_tools import once


@pytest.fixture(scope="session")
def every(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    """A plan with an artifact of every kind, and the folder in which all are made; not to be changed."""

    def fill(root: Path) -> None:
        config = every_kind(root)
        (root / "config.yaml").write_text(yaml.safe_dump(config))
        run_project(config, root)

    root = once(tmp_path_factory, "every", fill)
    return open_plan(root / "config.yaml", root), root
