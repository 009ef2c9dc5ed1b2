"""The program around the numbers: what commands cost to start, and what of a whole run is not its numbers.

    python benchmarks/program.py            # starts; a run of paper.yaml in which nothing is to be done
    python benchmarks/program.py --run      # the default configuration, whole, each process accounted for

Seconds of CPU of the command and all processes that it started; medians of five. Of a whole run, what counts as its
numbers are the stages that train, sample and analyse, without their imports; all else is around them: imports,
snakemake, reports, canonical datasets, publication.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import yaml

from amdiff.config import parse_config
from amdiff.plan import Plan
from amdiff.project import prepare

REPO = Path(__file__).parent.parent
NUMBERS = (
    "train", "sample", "neighbors", "thresholds", "classify", "peers", "basin", "curvature", "energy", "likelihood",
)  # fmt: skip
BIN = Path(sys.executable).parent


def project(root: Path, configfile: Path) -> None:
    """A project's folder with the repository's workflow and package."""
    root.mkdir()
    for name in ("Snakefile", "workflow", "profiles", "amdiff", "snakemake_logger_plugin_amdiff"):
        (root / name).symlink_to(REPO / name)
    (root / "config.yaml").write_text(configfile.read_text())


def spent(command: list[str], root: Path, **environment: str) -> tuple[float, float]:
    """Seconds of CPU, of all processes, and on the clock."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=root, env={**os.environ, "PATH": path, "PYTHONPATH": str(root), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - start


def touch_all(plan: Plan, root: Path) -> None:
    """What snakemake looks for: that files are there."""
    wanted = [a.spec for a in plan.by_folder.values()] + [path for page in plan.pages for path in page.published]
    wanted += [page.report.folder / name for page in plan.pages for name in page.files]
    for path in wanted:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def starts(rounds: int = 5) -> None:
    """Print what each command costs."""
    print("| command | CPU, s | clock, s |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        small, paper = Path(folder) / "small", Path(folder) / "paper"
        project(small, REPO / "config.yaml")
        python = [sys.executable, "-m", "amdiff"]
        plan = prepare(parse_config(yaml.safe_load((REPO / "config.yaml").read_text())), small)
        dataset = next(a for a in plan.by_folder.values() if a.stage == "dataset")
        spent([*python, "dataset", dataset.folder.as_posix()], small)
        commands = {
            "amdiff --help": [*python, "--help"],
            "amdiff schema": [*python, "schema"],
            "amdiff verify": [*python, "verify"],
            "amdiff why": [*python, "why", dataset.spec.as_posix()],
            "a stage whose artifact is there": [*python, "dataset", dataset.folder.as_posix()],
            "amdiff plan": [*python, "plan"],
            "snakemake --version": [str(BIN / "snakemake"), "--version"],
            "snakemake -n": [str(BIN / "snakemake"), "--cores", "1", "-n"],
        }
        for name, command in commands.items():
            report(name, [spent(command, small) for _ in range(rounds)])
        project(paper, REPO / "workflow/config/paper.yaml")
        report("amdiff plan on paper.yaml", [spent([*python, "plan"], paper) for _ in range(rounds)])
        plan = prepare(parse_config(yaml.safe_load((paper / "config.yaml").read_text())), paper)
        touch_all(plan, paper)
        jobs = len(plan.by_folder)
        name = f"snakemake on paper.yaml, {jobs:,} artifacts, nothing to be done"
        report(name, [spent([str(BIN / "snakemake"), "--cores", "1"], paper) for _ in range(rounds)])


def report(name: str, found: list[tuple[float, float]]) -> None:
    """One line of the table."""
    cpu, clock = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"| {name} | {cpu:.2f} | {clock:.2f} |")


def run(configfile: Path, kept: Path | None) -> None:
    """Run a configuration whole, and print which process spent what; the project is left in ``kept``."""
    with tempfile.TemporaryDirectory() as folder:
        root, accounts = (kept or Path(folder) / "project").resolve(), Path(folder) / "accounts"
        accounts.mkdir()
        project(root, configfile)
        hook = REPO / "benchmarks/accounting"
        total, clock = spent(
            [str(BIN / "snakemake"), "--cores", "all"], root,
            PYTHONPATH=f"{root}{os.pathsep}{hook}", AMDIFF_ACCOUNTS=str(accounts),
        )  # fmt: skip
        spends: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
        for path in accounts.glob("*.json"):
            one = json.loads(path.read_text())
            program = Path(one["argv"][0])
            name = one["argv"][1] if program.parent.name == "amdiff" else program.name
            for place, value in enumerate((1, one["cpu"], one["imports"])):
                spends[name][place] += value
    numbers = sum(cpu - imports for name, (_, cpu, imports) in spends.items() if name in NUMBERS)
    rest = total - sum(cpu for _, cpu, _ in spends.values())
    print("| process | how many | CPU, s | of which imports |\n|---|---|---|---|")
    for name, (count, cpu, imports) in sorted(spends.items(), key=lambda item: -item[1][1]):
        print(f"| {name} | {count:.0f} | {cpu:.1f} | {imports:.1f} |")
    print(f"| shells, and the ends of processes | | {rest:.1f} | |")
    print(f"\n{total:.0f} s of CPU in {clock:.0f} s; {1 - numbers / total:.1%} is not training, sampling or analysis.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--configfile", type=Path, default=REPO / "config.yaml")
    parser.add_argument("--keep", type=Path, help="a new folder, where the project of --run is left")
    asked = parser.parse_args()
    if asked.keep and asked.keep.exists():
        parser.error(f"--keep: {asked.keep} exists already; name a folder that does not")
    run(asked.configfile, asked.keep) if asked.run else starts()
