"""What people ask of a project: what would run, what an artifact is, whether all is whole, what is left over."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from amdiff.artifacts import SPEC, VERSIONS, Artifact, Store, check_folder
from amdiff.config import ConfigError, ExperimentSpec
from amdiff.files import read_json, write_bytes
from amdiff.plan import ExperimentPlan, Plan
from amdiff.plan.costs import hours, total_passes
from amdiff.project import image_shape, open_plan

STORES = ("artifacts", "data/canonical")
"""Folders that hold artifacts."""


def _print(text: str = "") -> None:
    sys.stdout.write(text + "\n")


# -- plan -------------------------------------------------------------------------------------


def show_plan(
    configfile: Path,
    as_json: bool,
    steps_per_second: float | None = None,
    measure: bool = False,
    root: Path = Path(),
) -> None:
    """Print what a configuration asks for, how much of it is there, and how long it would take.

    Times follow from training steps a second: as given, measured here, or recorded by trainings that are done.
    """
    if steps_per_second is not None and not steps_per_second > 0:
        raise ConfigError(f"--steps-per-second: got {steps_per_second:g}, expected a positive number")
    chosen = open_plan(configfile, root)
    described = [_describe(chosen, experiment, root) for experiment in chosen.experiments]
    counted: set[str] = set()
    for entry, experiment in zip(described, chosen.experiments, strict=True):
        entry["passes"], entry["hours"] = _effort(chosen, experiment, counted, steps_per_second, measure, root)
    artifacts = list(chosen.by_folder.values())
    total = len(artifacts) + len(chosen.pages)
    if as_json:
        _print(json.dumps({"experiments": described, "total_jobs": total}, indent=1))
        return
    store = Store(root)
    missing = [a for a in artifacts if not store.complete(a)]
    for entry, experiment in zip(described, chosen.experiments, strict=True):
        _print(f"{entry['name']}: dataset {entry['dataset']}, {len(entry['models'])} models, {entry['jobs']} jobs, "
               f"about {entry['disk_bytes'] / 2**20:,.0f} MiB")  # fmt: skip
        _print(f"  {'K':>8} {'parameters':>12} {'iterations':>11} {'samples':>9}  address       model")
        for model, entry_model in zip(experiment.models, entry["models"], strict=True):
            state = "there" if store.complete(model.weights) else "to do"
            _print(f"  {model.size:>8,} {entry_model['parameters']:>12,} {model.iterations:>11,} "
                   f"{entry_model['samples']:>9,}  {entry_model['address']}  {state}")  # fmt: skip
        _print(f"  {_effort_line(entry)}")
        if not experiment.settled:
            _print("  a sparse sweep finds the other sizes; they are listed when it is done")
    for note in chosen.notes:
        _print(f"note: {note}")
    _print(f"{total} jobs in all; {len(missing)} of {len(artifacts)} artifacts are still to be made"
           + _by_stage(missing))  # fmt: skip


def _effort(
    chosen: Plan,
    experiment: ExperimentPlan,
    counted: set[str],
    steps_per_second: float | None,
    measure: bool,
    root: Path,
) -> tuple[dict[str, float], dict[str, Any] | None]:
    """Forward passes that no experiment before has asked for, and the hours that they take, where a rate is known."""
    new = [a for a in experiment.artifacts() if a.address not in counted]
    counted |= {a.address for a in new}
    shape = image_shape(chosen, experiment.spec.dataset, root)
    passes = total_passes(new, math.prod(shape))
    trained = [m.train for m in experiment.models if m.train is not None]
    if not trained:
        return passes, None
    largest = trained[-1]
    if steps_per_second is not None:
        rate, source = steps_per_second, "given"
    elif measure:
        from amdiff.stages.rates import measured_rate

        rate, device = measured_rate(largest, shape, chosen.config.runtime)
        source = f"measured here, {device}"
    else:
        store = Store(root)
        rates = [store.record(a)["provenance"].get("steps_per_second") for a in trained if store.complete(a)]
        known = [r for r in rates if r]
        if not known:
            return passes, None
        rate, source = sorted(known)[len(known) // 2], "median of the trainings that are done"
    batch = largest.params["training"]["batch_size"]
    found: dict[str, Any] = {kind: hours(count, rate, batch) for kind, count in passes.items()}
    return passes, {**found, "steps_per_second": rate, "source": source}


def _effort_line(entry: dict[str, Any]) -> str:
    passes, found = entry["passes"], entry["hours"]
    total = sum(passes.values())
    if found is None:
        hint = "; for hours give --steps-per-second, or --measure" if total else ""
        return f"about {total:.3g} forward passes of an image{hint}"
    return (
        f"about {found['training']:,.3g} GPU hours of training, {found['sampling']:,.3g} of sampling, at most "
        f"{found['analyses']:,.3g} of analyses, at {found['steps_per_second']:.3g} training steps/s ({found['source']})"
    )


def _by_stage(artifacts: list[Artifact]) -> str:
    counts = Counter(a.stage for a in artifacts)
    return ": " + ", ".join(f"{counts[s]} {s}" for s in VERSIONS if counts[s]) if counts else ""


def _describe(chosen: Plan, experiment: ExperimentPlan, root: Path) -> dict[str, Any]:
    from amdiff.diffusion.denoisers import count_parameters

    spec = experiment.spec
    shape = image_shape(chosen, spec.dataset, root)
    levels = spec.diffusion.steps if isinstance(spec, ExperimentSpec) else 1
    parameters = count_parameters(spec.denoiser, shape, levels)
    models = [
        {
            "K": model.size,
            "parameters": parameters,
            "iterations": model.iterations,
            "samples": model.samples,
            "address": model.weights.address,
        }
        for model in experiment.models
    ]
    samples = sum(model.samples for model in experiment.models)
    per_sample = 4 * math.prod(shape) + 24
    if isinstance(spec, ExperimentSpec):
        per_sample = math.prod(shape) + 24 + 2 * 2 * spec.neighbors.k * 16
    disk = samples * per_sample + len(models) * 4 * parameters
    return {
        "name": experiment.name,
        "dataset": spec.dataset,
        "models": models,
        "jobs": sum(1 for _ in experiment.artifacts()) + 1,
        "disk_bytes": disk,
    }


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
    _print(f"{target}: {made} of {len(chosen.pages)} pages are made")
    return target


# -- why --------------------------------------------------------------------------------------


def why(path: Path, configfile: Path, root: Path = Path()) -> None:
    """Say what an artifact is made of, and why it would or would not be made again."""
    folder = _artifact_folder(path)
    if not (folder / SPEC).exists():
        chosen = open_plan(configfile, root)
        chosen.artifact(folder.as_posix())
        _print(f"{folder}: not made yet; snakemake would make it, since {configfile} asks for it")
        return
    problems = check_folder(folder / SPEC)
    if problems:
        _print(f"damaged: {problems[0]}; {_remedy(folder)}")
        return
    record = read_json(folder / SPEC)
    _print(f"{folder}")
    _print(f"  stage {record['stage']}, version {record['version']}, address {record['address']}")
    for key, value in sorted(record["params"].items()):
        _print(f"  {key}: {json.dumps(value)}")
    for role, addresses in record["parents"].items():
        _print(f"  from {role}: {', '.join(addresses)}")
    made = record["provenance"]
    _print(f"  made {made['started']} on {made['host']} in {made['wall_seconds']:g} s, git {made['git']}")
    _print(_rebuilt(folder, record, configfile, root))


def _remedy(folder: Path) -> str:
    """What to do about a damaged artifact; asked for by name, it is made although its results are there."""
    return f"`rm -r {folder}`, then `snakemake --cores all {folder}/{SPEC}` (or `dvc pull`) brings it back"


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
    wanted = {a.address: a for a in chosen.by_folder.values()}
    if record["address"] in wanted:
        return f"would not be made again: it is whole, and {configfile} asks for exactly this"
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


# -- verify and prune -------------------------------------------------------------------------


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
    bad = 0
    for spec in specs:
        for problem in check_folder(spec):
            bad += 1
            _print(f"{problem}; {_remedy(spec.parent)}")
    partial = _unfinished(root) if whole else []
    for folder in partial:
        _print(f"{folder}: not finished (no {SPEC}); snakemake goes on with it or makes it anew")
    _print(f"{len(specs)} artifacts checked, {bad} problems")
    return 1 if bad else 0


def _unfinished(root: Path) -> list[Path]:
    """Folders of artifacts that have files but no ``spec.json``."""
    folders = [f for pattern in ("artifacts/*/*/*", "data/canonical/*/*") for f in root.glob(pattern) if f.is_dir()]
    return [f for f in sorted(folders) if not (f / SPEC).exists() and any(f.iterdir())]


def prune(configfiles: list[Path] | None, delete: bool, root: Path = Path()) -> None:
    """List, or remove, artifacts that no configuration refers to."""
    files = configfiles or [
        p for p in (root / "config.yaml", *sorted((root / "workflow/config").glob("*.yaml"))) if p.exists()
    ]
    if not files:
        raise ConfigError("no configuration to compare with; give one by --configfile")
    wanted: set[str] = set()
    for file in files:
        chosen = open_plan(file, root)
        wanted |= {*chosen.by_folder, *chosen.datasets}
    specs = sorted(spec for s in STORES for spec in (root / s).rglob(SPEC))
    left_over = [spec.parent for spec in specs if spec.parent.relative_to(root).as_posix() not in wanted]
    total = 0
    for folder in left_over:
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        total += size
        _print(f"{'removed' if delete else 'unused'} {folder} ({size / 2**20:.1f} MiB)")
        if delete:
            (folder / SPEC).unlink()
            shutil.rmtree(folder)
    verb = "removed" if delete else "could be removed by --delete"
    names = ", ".join(map(str, files))
    _print(f"{len(left_over)} of {len(specs)} artifacts, {total / 2**20:.1f} MiB, {verb}: none is asked for by {names}")
