"""kill -9 of a whole run, again and again, at random moments; then the run to its end, and the same bytes.

    python -m tests.faults.killing --kills 50 --mean 20

runs config.yaml in two folders of its own, one undisturbed and one that is killed, and compares the SHA-256 of all
that was made. Training states are saved every few seconds here, for runs live shorter than the minute that is usual.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import yaml

from amdiff.config import parse_config
from amdiff.files import read_json
from amdiff.project import prepare
from tests.workflow_tools import REPO, Project, descendants, kill_tree


def kill_again_and_again(project: Project, lives: list[float]) -> Counter[str]:
    """Start snakemake once for each of ``lives``, in seconds, and kill its tree after it; the stages that were struck.

    A run that ends by itself before that is the last.
    """
    struck: Counter[str] = Counter()
    for life in lives:
        run = project.start()
        end = time.monotonic() + life
        while run.poll() is None and time.monotonic() < end:
            time.sleep(min(0.05, life))
        if run.poll() is not None:
            break
        struck.update(_stages(run.pid) or ["snakemake itself"])
        kill_tree(run)
    return struck


def _stages(pid: int) -> set[str]:
    """Stages that a run's processes are in the midst of."""
    found = set()
    for child in descendants(pid):
        try:
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"amdiff" in words and b"-m" in words:
            found.add(words[words.index(b"amdiff") + 1].decode())
    return found


def unfinished(project: Project) -> list[str]:
    """What of a plan is not made, and what lies about that no artifact lists."""
    config = yaml.safe_load((project.root / "config.yaml").read_text())
    plan = prepare(parse_config(config), project.root)
    missing = [a.folder.as_posix() for a in plan.by_folder.values() if not (project.root / a.spec).exists()]
    strays = [
        path.as_posix()
        for artifact in plan.by_folder.values()
        if (project.root / artifact.spec).exists()
        for path in (project.root / artifact.folder).rglob("*")
        if path.is_file()
        and path.name != "spec.json"
        and path.relative_to(project.root / artifact.folder).as_posix()
        not in read_json(project.root / artifact.spec)["files"]
    ]
    return missing + strays


def main() -> int:
    """The long form, by hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="at most; a run that ends before is the last")
    parser.add_argument("--mean", type=float, default=25.0, help="mean life of a run, in seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--configfile", type=Path, default=REPO / "config.yaml")
    parser.add_argument("--undisturbed", type=Path, help="a finished project of the same configuration, no repository")
    asked = parser.parse_args()
    config = yaml.safe_load(asked.configfile.read_text())
    config["runtime"]["checkpoint_seconds"] = 5
    base = Path(tempfile.mkdtemp(prefix="amdiff-kill-"))
    undisturbed = (
        Project.at(asked.undisturbed.resolve()) if asked.undisturbed else Project(base / "undisturbed", config)
    )
    disturbed = Project(base / "killed", config)
    rng = np.random.default_rng(asked.seed)
    struck: Counter[str] = Counter()
    kills = 0
    started = time.monotonic()
    while kills < asked.kills:
        before = sum(struck.values())
        struck += kill_again_and_again(disturbed, [float(rng.exponential(asked.mean))])
        if sum(struck.values()) == before:
            break
        kills += 1
        sys.stderr.write(f"kill {kills}: {dict(struck)}\n")
    disturbed.snakemake()
    took = time.monotonic() - started
    undisturbed.snakemake()
    ours, theirs = disturbed.checksums(), undisturbed.checksums()
    differing = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    left = unfinished(disturbed)
    verified = disturbed.run("python", "-m", "amdiff", "verify", check=False)
    sys.stdout.write(json.dumps({
        "kills": kills, "struck": dict(struck), "seconds": round(took), "files": len(ours), "differing": differing,
        "unfinished": left, "verify": verified.stdout.splitlines()[-1], "folder": str(base),
    }, indent=1) + "\n")  # fmt: skip
    return 1 if differing or left or verified.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
