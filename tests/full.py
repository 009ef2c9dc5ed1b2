"""Whether the tests that take minutes have passed on what is here: ``python -m tests.full``, status 0 where they have.

``--record`` writes to ``.ci/full-tested`` that they passed: a digest of the files that they are about, to be committed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
RECORD = ROOT / ".ci/full-tested"
ABOUT = (
    "Snakefile", "workflow/rules", "profiles", "config.yaml", "locks", "dvc.yaml", "snakemake_logger_plugin_amdiff",
    "amdiff/screen.py", "amdiff/jobs.py", "amdiff/cli.py", "amdiff/checks.py", "amdiff/sources.py", "amdiff/config",
    "amdiff/artifacts.py", "amdiff/catalogue", "amdiff/commands/faults.py", "amdiff/commands/telling.py",
    "amdiff/effort.py", "amdiff/errors.py", "amdiff/figures/gallery.py", "amdiff/files.py", "amdiff/frozen.py",
    "amdiff/leases.py", "amdiff/project.py", "amdiff/snakemake_bridge.py", "amdiff/store.py",
    "amdiff/plan", "amdiff/stages", "amdiff/diffusion", "amdiff/phases", "tests/conftest.py",
    "tests/workflow_tools.py", "tests/servers.py", "tests/faults", "tests/test_default_sweep.py",
    "tests/test_grid.py", "tests/test_cloud.py", "tests/test_dvc.py", "tests/test_leases.py", "tests/test_slurm.py",
    "tests/phases/test_coverage.py",
)  # fmt: skip
"""What these tests are about: the workflow, its stages, how files are made and kept, and the tests themselves."""


def digest() -> str:
    """SHA-256 of the names and contents of all these files, as they are here."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *ABOUT],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    total = hashlib.sha256()
    for name in sorted(filter(None, set(listed.stdout.split("\0")))):
        if (ROOT / name).is_file():
            total.update(f"{name} {hashlib.sha256((ROOT / name).read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def main() -> int:
    """Tell, or record."""
    if sys.argv[1:] == ["--record"]:
        RECORD.write_text(f"{digest()}\n")
        return 0
    passed = RECORD.is_file() and RECORD.read_text().strip() == digest()
    sys.stdout.write(f"{'passed' if passed else 'not tried'} on these files: the tests that take minutes\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
