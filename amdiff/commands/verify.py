"""``amdiff verify``: checks whether every artifact and every published file is undamaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from amdiff.artifacts import SPEC
from amdiff.config import ConfigError
from amdiff.files import read_json
from amdiff.store import STORES, check_files, check_folder

from .telling import artifact_folder, in_a_project, remedy, show


def verify(path: Path, root: Path = Path()) -> int:
    """Check every artifact below ``path``, and published files too if ``path`` is the project's folder ``root``.

    Returns 0 if all are undamaged, else 1. Raises ``ConfigError`` if there is nothing to check.
    """
    if not path.exists():
        raise ConfigError(f"{path} does not exist; give a folder with artifacts")
    whole = path.resolve() == root.resolve()
    roots = [root / s for s in STORES] if whole else [path]
    specs = sorted(spec for r in roots for spec in r.rglob(SPEC))
    if path.is_file() and (artifact_folder(path) / SPEC).exists():
        specs = [artifact_folder(path) / SPEC]
    if not specs and not whole:
        raise ConfigError(f"{path} holds no artifact; give a folder below {' or '.join(STORES)}")
    if not specs:
        in_a_project(root, root / "config.yaml", *(root / store for store in STORES))
        show("nothing has been made here yet")
        return 0
    damaged = set()
    for spec in specs:
        if problems := check_folder(spec):
            damaged.add(spec.parent)
            more = f", and {len(problems) - 1} more of its files are damaged or missing" if len(problems) > 1 else ""
            show(f"{problems[0]}{more}; {remedy(spec.parent)}")
    bad = len(damaged)
    for problem in _published_problems(root, damaged) if whole else []:
        bad += 1
        show(problem)
    partial = _unfinished(root) if whole else []
    for folder in partial:
        show(f"{folder}: not finished (no {SPEC}); snakemake will continue it or make it anew")
    show(f"{len(specs)} artifacts checked, {bad} problems")
    return 1 if bad else 0


def _published_problems(root: Path, damaged: set[Path]) -> Iterator[str]:
    """Yield a message for each published file that differs from its report.

    Reports that are missing, or are among the ``damaged`` ones, are not compared.
    """
    for stamp in sorted(root.glob("results/*/.address-*")):
        folder, content = stamp.parent, stamp.read_bytes().decode(errors="replace").strip()
        repair = f"to repair it, run `rm {stamp}`, then `snakemake --cores all {folder.name}`"
        report, address = root / content, stamp.name.removeprefix(".address")
        if not (content.startswith("artifacts/") and content.endswith(address)):
            yield f"{stamp} is damaged; {repair}"
            continue
        if not (report / SPEC).exists():
            show(f"{folder} was not checked, since its report {content} is not here")
            continue
        if report in damaged:
            continue
        for problem in check_files(folder, read_json(report / SPEC)["files"]):
            yield f"{problem}; {repair}"


def _unfinished(root: Path) -> list[Path]:
    """Folders of unfinished artifacts: they hold files, but no ``spec.json``."""
    folders = [f for pattern in ("artifacts/*/*/*", "data/canonical/*/*") for f in root.glob(pattern) if f.is_dir()]
    return [f for f in sorted(folders) if not (f / SPEC).exists() and any(f.iterdir())]
