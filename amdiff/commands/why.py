"""``amdiff why``: shows what an artifact is made of, and why it would or would not be made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from amdiff.artifacts import SPEC, Artifact
from amdiff.catalogue import STAGES
from amdiff.config import ConfigError
from amdiff.files import read_json
from amdiff.project import open_plan
from amdiff.store import check_folder

from .telling import artifact_folder, remedy, show


def why(path: Path, configfile: Path, root: Path = Path()) -> None:
    """Show what an artifact is made of, and why it would or would not be made again.

    ``path`` is the artifact's folder, a file in it, or a published result. Raises ``ConfigError`` if it belongs to no
    artifact of the configuration.
    """
    folder = artifact_folder(path)
    if not (folder / SPEC).exists():
        chosen = open_plan(configfile, root)
        chosen.artifact(folder.as_posix())
        show(f"{folder}: not made yet; snakemake would make it, since {configfile} asks for it")
        return
    problems = check_folder(folder / SPEC)
    if problems:
        show(f"damaged: {problems[0]}; {remedy(folder)}")
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
        show(f"  used {made['cpu_seconds']:g} s of CPU time and at most {made['peak_memory_mb']:,} MiB of memory")
    show(_rebuilt(folder, record, configfile, root))


def _rebuilt(folder: Path, record: dict[str, Any], configfile: Path, root: Path) -> str:
    stage = STAGES.get(record["stage"])
    current = stage.version if stage else None
    if current != record["version"]:
        return (
            f"would be made again: stage {record['stage']} is now at version {current}, but version "
            f"{record['version']} made this; `amdiff prune` lists it for removal"
        )
    try:
        chosen = open_plan(configfile, root)
    except ConfigError as error:
        return f"cannot tell whether it is still needed: {error}"
    wanted = {**chosen.datasets, **chosen.by_folder}
    if folder.resolve() in {root.resolve() / place for place in wanted}:
        return f"would not be made again: it is whole, and {configfile} asks for exactly this artifact"
    if same := [place for place, a in wanted.items() if a.address == record["address"]]:
        return f"would be made again: {configfile} asks for the same artifact in another folder, {same[0]}"
    dataset = folder.parts[-3] if record["stage"] != "dataset" else folder.parts[-2]
    near = [
        a
        for a in wanted.values()
        if (a.stage, a.subject, a.params.get("size")) == (record["stage"], dataset, record["params"].get("size"))
    ]
    differences = _differences(record, near[0]) if near else []
    reason = f"; the most similar artifact that it asks for differs in {', '.join(differences)}" if differences else ""
    return f"would not be made again: {configfile} does not ask for it{reason}"


def _differences(record: dict[str, Any], artifact: Artifact) -> list[str]:
    """Dotted names of the parameters, and roles of the parents, in which a record and an artifact differ."""

    def walk(a: Any, b: Any, key: str) -> list[str]:
        if isinstance(a, dict) and isinstance(b, dict):
            return [d for k in sorted({*a, *b}) for d in walk(a.get(k), b.get(k), f"{key}.{k}" if key else k)]
        return [] if a == b else [f"{key} ({json.dumps(a)}, asked: {json.dumps(b)})"]

    found = walk(record["params"], artifact.identity["params"], "")
    parents = artifact.identity["parents"]
    return found + [f"its {role}" for role in sorted(parents) if parents[role] != record["parents"].get(role)]
