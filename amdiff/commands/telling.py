"""What commands share: how they tell, and how they find what a person means."""

from __future__ import annotations

import sys
from pathlib import Path

from amdiff.artifacts import SPEC
from amdiff.config import ConfigError


def show(text: str) -> None:
    """One line for the person who asked."""
    sys.stdout.write(text + "\n")


def in_a_project(root: Path, *signs: Path) -> None:
    """Raise ``ConfigError`` where none of the ``signs`` of a project's folder is there."""
    if not any(sign.exists() for sign in signs):
        raise ConfigError(
            f"{root.resolve()} is no project of amdiff: {', '.join(str(s.relative_to(root)) for s in signs)} "
            f"{'is' if len(signs) == 1 else 'are'} not there; go to a project's folder, or begin one by `amdiff init`"
        )


def remedy(folder: Path) -> str:
    """What to do about a damaged artifact; asked for by name, it is made although its results are there."""
    return f"`rm -r {folder}`, then `dvc pull` or `snakemake --cores all {folder}/{SPEC}` brings it back"


def artifact_folder(path: Path) -> Path:
    """The folder of the artifact that a path lies in; for published results, that of their report."""
    for folder in (path, *path.parents):
        if (folder / SPEC).exists():
            return folder
        for stamp in folder.glob(".address-*"):
            return Path(stamp.read_text().strip())
    return path.parent if path.suffix else path
