"""``amdiff init``: writes a project folder with the workflow, profiles, a commented configuration and DVC stages."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import yaml

from amdiff.config import LEAST_HELDOUT, ConfigError, json_schema, parse_config
from amdiff.data.arrays import array_names
from amdiff.data.containers import packed
from amdiff.data.datasets import peek
from amdiff.errors import DataError
from amdiff.files import write_bytes

from .telling import show

PACKAGE = Path(__file__).parent.parent
TEMPLATES = PACKAGE / "templates"
WORKFLOW = ("Snakefile", "workflow/rules", "profiles")
"""Files of the workflow. An installed package has them below ``workflow_files``, a clone at its root."""


OF_ARRAYS = """\
    # key: images           # the array, where the file holds several
    # layout: NHWC          # or NCHW, NHW; MATLAB's are HWCN and HWN
    # range: [0.0, 1.0]     # the values that mean black and white; uint8 in 0..255 needs none
"""
"""Lines of config.yaml for a dataset of arrays."""
SIZES = (8, 32, 128)
"""Training-set sizes of a new project, as far as there are enough pictures."""


def init(folder: Path, data: Path | None) -> None:
    """Write a project to ``folder``, with one experiment.

    The experiment uses the pictures or arrays at ``data``, or scikit-learn's digits if ``data`` is None. Raises
    ``ConfigError``, and writes nothing, if one of the project's files exists already or ``data`` cannot be used.
    """
    files = _files(folder, data)
    if there := [name for name in files if (folder / name).exists()]:
        raise ConfigError(
            f"{folder}: holds {', '.join(there[:3])}{' and more' if len(there) > 3 else ''} already, and nothing was "
            "written; give an empty folder, or one that does not exist yet"
        )
    for name, content in files.items():
        write_bytes(folder / name, content)
    experiment = "mine" if data is not None else "digits"
    show(f"{folder / 'config.yaml'}: defines the experiment {experiment!r}; edit it, then run")
    if folder.resolve() != Path.cwd():
        show(f"  cd {folder}")
    show("  amdiff plan                  to see what it costs")
    show("  snakemake -n                 to see what would run")
    show(f"  snakemake --cores all        to run it and write results/{experiment}/report.html")


def _files(folder: Path, data: Path | None) -> dict[str, bytes]:
    """Content of every file of a project, by the file's name."""
    installed = PACKAGE / "workflow_files"
    source = installed if installed.is_dir() else PACKAGE.parent
    found: dict[str, bytes] = {}
    for name in WORKFLOW:
        top = source / name
        paths = [top] if top.is_file() else sorted(p for p in top.rglob("*") if p.suffix in (".smk", ".yaml"))
        found |= {path.relative_to(source).as_posix(): path.read_bytes() for path in paths}
    config = (TEMPLATES / "digits.yaml").read_text() if data is None else _of_ones_own(folder, data)
    found["config.yaml"] = config.encode()
    found["workflow/config/schema.json"] = json_schema().encode()
    found["dvc.yaml"] = _dvc(config).encode()
    found[".gitignore"] = b"/artifacts/\n/data/canonical/\n/results/\n/scratch/\n/logs/\n/.snakemake/\n"
    return found


def _of_ones_own(folder: Path, data: Path) -> str:
    """The text of config.yaml for the pictures or arrays at ``data``. Raises ``ConfigError`` if they cannot be used."""
    if not data.exists():
        raise ConfigError(f"--data {data}: there is no such file or folder")
    try:
        kind = "folder" if data.is_dir() or packed(data, None) else "arrays"
        if kind == "arrays":
            array_names(data)
    except DataError as error:
        raise ConfigError(f"--data {error}") from None
    place = data.resolve()
    if place == folder.resolve() or place in folder.resolve().parents:
        raise ConfigError(
            f"--data {data}: holds the project's folder {folder}, whose results would be taken for pictures; choose "
            "another folder for the project, or move the pictures to a separate folder"
        )
    inside = folder.resolve() in place.parents
    path = os.path.relpath(place, folder.resolve()) if inside else str(place)
    text = (TEMPLATES / "mine.yaml").read_text()
    if kind == "arrays":
        text = "".join(OF_ARRAYS if line.startswith("    channels:") else line for line in text.splitlines(True))
    text = text.replace("kind: KIND", f"kind: {kind}")
    text = text.replace("path: PATH", f"path: {yaml.safe_dump(path, width=10**6).splitlines()[0]}")
    return text.replace("[SIZES]", str(_sizes(folder, text)))


def _sizes(folder: Path, text: str) -> list[int]:
    """Choose those of ``SIZES`` that leave enough pictures over.

    All of them if the data cannot be read before the user has added settings. Raises ``ConfigError`` if there are too
    few pictures.
    """
    config = parse_config(yaml.safe_load(text.replace("[SIZES]", f"[{SIZES[0]}]")))
    try:
        with contextlib.chdir(folder if folder.is_dir() else Path()):
            count, _, _ = peek(config.datasets["mine"])
    except (DataError, OSError) as error:
        show(f"note: {error}")
        return list(SIZES)
    sizes = [size for size in SIZES if size <= count - LEAST_HELDOUT]
    if not sizes:
        raise ConfigError(
            f"{count} pictures are too few: the smallest training set has {SIZES[0]}, and {LEAST_HELDOUT} must be left "
            "over; give more pictures"
        )
    return sizes


def _dvc(config: str) -> str:
    """The text of dvc.yaml: one stage for each dataset, as in the repository's own file."""
    plain = yaml.safe_load(config)
    stages = {}
    for dataset in plain["datasets"]:
        names = [name for name, spec in plain["experiments"].items() if spec["dataset"] == dataset]
        places = [f"data/canonical/{dataset}", f"artifacts/{dataset}", *(f"results/{name}" for name in names)]
        stages[dataset] = {
            "cmd": f"snakemake --cores all {' '.join(names)}",
            "params": [{"config.yaml": [f"datasets.{dataset}", *(f"experiments.{name}" for name in names)]}],
            "outs": [{place: {"persist": True}} for place in places],
        }
    head = (
        "# Snakemake runs every step; DVC records and shares the results, with one stage for each dataset.\n"
        "# `persist` keeps DVC from deleting outputs before a run, so Snakemake reuses them.\n"
        "# To add a dataset, copy a stage and change the names of its dataset and its experiments.\n"
    )
    return head + yaml.safe_dump({"stages": stages}, sort_keys=False)
