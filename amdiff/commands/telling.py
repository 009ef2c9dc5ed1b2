"""Helpers of the commands: printing, checking for a project, finding the artifact that a path means."""

from __future__ import annotations

import sys
from pathlib import Path

from amdiff.artifacts import SPEC
from amdiff.config import ConfigError


def show(text: str) -> None:
    """Print one line to standard output."""
    sys.stdout.write(text + "\n")


def in_a_project(root: Path, *signs: Path) -> None:
    """Raise ``ConfigError`` if ``root`` holds none of the paths ``signs``, by which a project is recognised."""
    if not any(sign.exists() for sign in signs):
        raise ConfigError(
            f"{root.resolve()} is no project of amdiff: {', '.join(str(s.relative_to(root)) for s in signs)} "
            f"{'is' if len(signs) == 1 else 'are'} missing; change to a project's folder, or begin one by `amdiff init`"
        )


def remedy(folder: Path) -> str:
    """Say how to repair a damaged artifact. Asked for by name, it is made again even if its results exist."""
    return f"to repair it, run `rm -r {folder}`, then `dvc pull` or `snakemake --cores all {folder}/{SPEC}`"


def artifact_folder(path: Path) -> Path:
    """The folder of the artifact that ``path`` belongs to. For published results it is the folder of their report."""
    for folder in (path, *path.parents):
        if (folder / SPEC).exists():
            return folder
        for stamp in folder.glob(".address-*"):
            return Path(stamp.read_text().strip())
    return path.parent if path.suffix else path
