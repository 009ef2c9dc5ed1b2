from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from amdiff.plan import Plan
from tests.conftest import run_project
from tests.faults.kinds import every_kind


@pytest.fixture(scope="session")
def every(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    """A plan with an artifact of every kind, and the folder in which all are made; not to be changed."""
    root = tmp_path_factory.mktemp("every")
    config = every_kind(root)
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    return run_project(config, root), root
