"""What people ask of a project: what would run, what an artifact is, whether all is whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amdiff.artifacts import SPEC, VERSIONS, Artifact
from amdiff.config import ConfigError
from amdiff.files import read_json, write_bytes
from amdiff.project import open_plan
from amdiff.store import STORES, check_files, check_folder


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


# -- paper ------------------------------------------------------------------------------------


def paper(configfile: Path, root: Path = Path()) -> Path:
    """Write ``results/paper.html``: each figure and table of the paper, and ours where it has been made."""
    from amdiff.figures.paper import COUNTERPARTS, Entry, Item, render

    chosen = open_plan(configfile, root)
    entries = []
    for theirs in COUNTERPARTS:
        shown: list[Item] = []
        missing: list[str] = []
        for page in chosen.pages:
            files = [f for f in theirs.files if page.results / f in page.published]
            # thresholds.csv is in every report; table 2 is that of all experiments together
            if not files or (theirs.number.startswith("Table") and page not in chosen.comparisons):
                continue
            if (root / page.stamp).exists():
                shown += [Item(page.name, f"{page.name}/{f}") for f in files]
            else:
                missing.append(page.name)
        entries.append(Entry(theirs.number, theirs.title, shown, missing))
    made = sum((root / page.stamp).exists() for page in chosen.pages)
    target = root / "results/paper.html"
    text = render(entries, configuration=str(configfile), made=made, total=len(chosen.pages))
    write_bytes(target, text.encode())
    show(f"{target}: {made} of {len(chosen.pages)} pages are made")
    return target


# -- why --------------------------------------------------------------------------------------


def why(path: Path, configfile: Path, root: Path = Path()) -> None:
    """Say what an artifact is made of, and why it would or would not be made again."""
    folder = _artifact_folder(path)
    if not (folder / SPEC).exists():
        chosen = open_plan(configfile, root)
        chosen.artifact(folder.as_posix())
        show(f"{folder}: not made yet; snakemake would make it, since {configfile} asks for it")
        return
    problems = check_folder(folder / SPEC)
    if problems:
        show(f"damaged: {problems[0]}; {_remedy(folder)}")
        return
    record = read_json(folder / SPEC)
    show(f"{folder}")
    show(f"  stage {record['stage']}, version {record['version']}, address {record['address']}")
    for key, value in sorted(record["params"].items()):
        show(f"  {key}: {json.dumps(value)}")
    for role, addresses in record["parents"].items():
        show(f"  from {role}: {', '.join(addresses)}")
    made = record["provenance"]
    show(f"  made {made['started']} on {made['host']} in {made['wall_seconds']:g} s, git {made['git']}")
    if "cpu_seconds" in made:  # artifacts of older versions lack it
        show(f"  in {made['cpu_seconds']:g} s of CPU, by a process of at most {made['peak_memory_mb']:,} MiB")
    show(_rebuilt(folder, record, configfile, root))


def _remedy(folder: Path) -> str:
    """What to do about a damaged artifact; asked for by name, it is made although its results are there."""
    return f"`rm -r {folder}`, then `dvc pull` or `snakemake --cores all {folder}/{SPEC}` brings it back"


def _artifact_folder(path: Path) -> Path:
    """The folder of the artifact that a path lies in; for published results, that of their report."""
    for folder in (path, *path.parents):
        if (folder / SPEC).exists():
            return folder
        for stamp in folder.glob(".address-*"):
            return Path(stamp.read_text().strip())
    return path.parent if path.suffix else path


def _rebuilt(folder: Path, record: dict[str, Any], configfile: Path, root: Path) -> str:
    current = VERSIONS.get(record["stage"])
    if current != record["version"]:
        return (
            f"would be made again: stage {record['stage']} is at version {current} now, this is {record['version']}; "
            "`amdiff prune` lists it for removal"
        )
    try:
        chosen = open_plan(configfile, root)
    except ConfigError as error:
        return f"cannot tell whether it is still wanted: {error}"
    wanted = {**chosen.datasets, **chosen.by_folder}
    if folder.resolve() in {root.resolve() / place for place in wanted}:
        return f"would not be made again: it is whole, and {configfile} asks for exactly this"
    if same := [place for place, a in wanted.items() if a.address == record["address"]]:
        return f"would be made again: {configfile} asks for the same in another folder, {same[0]}"
    dataset = folder.parts[-3] if record["stage"] != "dataset" else folder.parts[-2]
    near = [
        a
        for a in wanted.values()
        if (a.stage, a.dataset, a.params.get("size")) == (record["stage"], dataset, record["params"].get("size"))
    ]
    differences = _differences(record, near[0]) if near else []
    reason = f"; the nearest that is asked for differs in {', '.join(differences)}" if differences else ""
    return f"would not be made again: {configfile} does not ask for it{reason}"


def _differences(record: dict[str, Any], artifact: Artifact) -> list[str]:
    """Dotted names of the parameters, and roles of the parents, in which two artifacts differ."""

    def walk(a: Any, b: Any, key: str) -> list[str]:
        if isinstance(a, dict) and isinstance(b, dict):
            return [d for k in sorted({*a, *b}) for d in walk(a.get(k), b.get(k), f"{key}.{k}" if key else k)]
        return [] if a == b else [f"{key} ({json.dumps(a)}, asked: {json.dumps(b)})"]

    found = walk(record["params"], artifact.identity["params"], "")
    parents = artifact.identity["parents"]
    return found + [f"its {role}" for role in sorted(parents) if parents[role] != record["parents"].get(role)]


# -- verify -----------------------------------------------------------------------------------


def verify(path: Path, root: Path = Path()) -> int:
    """Check every artifact below ``path``; 0 when all are whole, else 1."""
    if not path.exists():
        raise ConfigError(f"{path} does not exist; give a folder with artifacts")
    whole = path.resolve() == root.resolve()
    roots = [root / s for s in STORES] if whole else [path]
    specs = sorted(spec for r in roots for spec in r.rglob(SPEC))
    if path.is_file() and (_artifact_folder(path) / SPEC).exists():
        specs = [_artifact_folder(path) / SPEC]
    if not specs and not whole:
        raise ConfigError(f"{path} holds no artifact; give a folder below {' or '.join(STORES)}")
    if not specs:
        in_a_project(root, root / "config.yaml", *(root / store for store in STORES))
        show("nothing is made here yet")
        return 0
    damaged = set()
    for spec in specs:
        if problems := check_folder(spec):
            damaged.add(spec.parent)
            more = f", and {len(problems) - 1} more of its files are damaged or missing" if len(problems) > 1 else ""
            show(f"{problems[0]}{more}; {_remedy(spec.parent)}")
    bad = len(damaged)
    for problem in _published_problems(root, damaged) if whole else []:
        bad += 1
        show(problem)
    partial = _unfinished(root) if whole else []
    for folder in partial:
        show(f"{folder}: not finished (no {SPEC}); snakemake goes on with it or makes it anew")
    show(f"{len(specs)} artifacts checked, {bad} problems")
    return 1 if bad else 0


def _published_problems(root: Path, damaged: set[Path]) -> Iterator[str]:
    """Published files that are not those of their report, where that is here and not itself among the ``damaged``."""
    for stamp in sorted(root.glob("results/*/.address-*")):
        folder, content = stamp.parent, stamp.read_bytes().decode(errors="replace").strip()
        remedy = f"`rm {stamp}`, then `snakemake --cores all {folder.name}` publishes it again"
        report, address = root / content, stamp.name.removeprefix(".address")
        if not (content.startswith("artifacts/") and content.endswith(address)):
            yield f"{stamp} is damaged; {remedy}"
            continue
        if not (report / SPEC).exists():
            show(f"{folder} was not checked: its report {content} is not here")
            continue
        if report in damaged:
            continue
        for problem in check_files(folder, read_json(report / SPEC)["files"]):
            yield f"{problem}; {remedy}"


def _unfinished(root: Path) -> list[Path]:
    """Folders of artifacts that have files but no ``spec.json``."""
    folders = [f for pattern in ("artifacts/*/*/*", "data/canonical/*/*") for f in root.glob(pattern) if f.is_dir()]
    return [f for f in sorted(folders) if not (f / SPEC).exists() and any(f.iterdir())]
