"""``amdiff plan``: shows what would run: experiments, models, jobs, parameters, disk space and hours."""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from amdiff.artifacts import Artifact, short_digest
from amdiff.catalogue import STAGES
from amdiff.catalogue.landscape import spectrum_passes
from amdiff.config import ExperimentSpec, Sweep
from amdiff.effort import long_runs
from amdiff.errors import ArtifactError, DataError
from amdiff.files import read_json, write_json
from amdiff.plan import ExperimentPlan, PagePlan, Plan
from amdiff.project import image_shape, open_plan
from amdiff.store import Store

from .estimating import How, effort, effort_lines, effort_notes
from .telling import show


def show_plan(
    configfile: Path,
    as_json: bool,
    steps_per_second: float | None = None,
    measure: bool = False,
    device: str | None = None,
    hourly: float | None = None,
    root: Path = Path(),
) -> None:
    """Print what a configuration asks for, how much of it exists already, and how long the work would take.

    Raises ``ConfigError`` if the configuration or another argument cannot be used.

    Parameters
    ----------
    configfile
        The configuration file.
    as_json
        Print JSON instead of text.
    steps_per_second
        Training steps per second, above 0, from which hours are estimated. Default None: hours follow from
        ``measure``, else from finished trainings, else from the arithmetic of the networks.
    measure
        Time each network on this machine. Default False.
    device
        Name of a GPU in ``plan.devices.DEVICES``, for whose rates hours are estimated. Default None.
    hourly
        Price of an hour, above 0, from which the price of the whole is estimated. Default None.
    root
        Folder that holds artifacts and results. Default: the current folder.
    """
    how = How.asked(steps_per_second, measure, device, hourly)
    chosen = open_plan(configfile, root)
    described = [_describe(chosen, experiment, root) for experiment in chosen.experiments]
    counted: set[Path] = set()
    for entry, experiment in zip(described, chosen.experiments, strict=True):
        entry["passes"], entry["hours"] = effort(chosen, experiment, counted, how, root)
    artifacts = list(chosen.by_folder.values())
    total = len(artifacts) + len(chosen.pages)
    if as_json:
        pages = {"experiments": described, "prompts": [_prompts(chosen, page) for page in chosen.prompts]}
        show(json.dumps({**pages, "artifacts": list(chosen.by_folder), "total_jobs": total}, indent=1))
        return
    store = Store(root)
    missing = [a for a in artifacts if not store.complete(a)]
    for entry, experiment in zip(described, chosen.experiments, strict=True):
        show(f"{entry['name']}: dataset {entry['dataset']}, {len(entry['models'])} models, {entry['jobs']} jobs, "
               f"about {entry['disk_bytes'] / 2**20:,.0f} MiB")  # fmt: skip
        show(f"  {'K':>8} {'parameters':>12} {'iterations':>11} {'samples':>9}  address       model")
        for model, entry_model in zip(experiment.models, entry["models"], strict=True):
            state = "there" if store.complete(model.weights) else "to do"
            show(f"  {model.size:>8,} {entry_model['parameters']:>12,} {model.iterations:>11,} "
                   f"{entry_model['samples']:>9,}  {entry_model['address']}  {state}")  # fmt: skip
        for line in effort_lines(entry["hours"], how):
            show(f"  {line}")
        if not experiment.settled:
            show("  this sparse sweep will find the other sizes; they are listed once it is done")
    for entry in (_prompts(chosen, page) for page in chosen.prompts):
        show(f"{entry['name']}: {entry['prompts']} prompts, {entry['images']} images, {entry['jobs']} jobs")
        show(f"  about {entry['passes']['sampling']:.3g} forward passes of one latent to draw the images, and "
             f"{entry['passes']['spectra']:.3g} for their spectra")  # fmt: skip
    notes = effort_notes([entry["hours"] for entry in described], how)
    for note in (*notes, *chosen.notes, *long_runs(chosen, root)):
        show(f"note: {note}")
    show(f"{total} jobs in all; {len(missing)} of {len(artifacts)} artifacts are still to be made"
           + _by_stage(missing))  # fmt: skip


def _prompts(chosen: Plan, page: PagePlan) -> dict[str, Any]:
    """The work for a page of prompts. With guidance, a latent takes two forward passes: with and without its prompt."""
    from amdiff.data.pipelines import latent_side, pipeline_path, read_components

    spec = chosen.config.prompts[page.name]
    images, guided = len(spec.prompts) * len(spec.seeds), 1 if spec.guidance == 1 else 2
    try:
        components = read_components(pipeline_path(spec.pipeline, download=False))
        d = int(components["unet"]["in_channels"]) * latent_side(components, spec.side) ** 2
    except DataError:
        d = STABLE_DIFFUSION  # the pipeline is not on this machine yet
    each = spectrum_passes(spec.spectrum.resolved(), d)
    return {
        "name": page.name,
        "prompts": len(spec.prompts),
        "images": images,
        "jobs": sum(1 for _ in page.artifacts()) + 1,
        "passes": {"sampling": float(images * guided * spec.steps), "spectra": images * guided * each},
    }


STABLE_DIFFUSION = 4 * 64 * 64
"""Number of values of a latent of Stable Diffusion v1."""


def _by_stage(artifacts: list[Artifact]) -> str:
    counts = Counter(a.stage for a in artifacts)
    return ": " + ", ".join(f"{counts[s]} {s}" for s in STAGES if counts[s]) if counts else ""


def _parameters(spec: Sweep, shape: tuple[int, ...], levels: int, root: Path) -> int:
    """Number of trainable parameters of an experiment's network.

    Counting them needs torch, whose import takes longer than everything else in a plan. So the number is kept in
    ``scratch/parameters``.
    """
    identity = [STAGES["train"].version, spec.denoiser.identity(), list(shape), levels]
    path = root / "scratch/parameters" / f"{short_digest(identity)}.json"
    with contextlib.suppress(ArtifactError):
        if isinstance(known := read_json(path), int):
            return known
    from amdiff.diffusion.denoisers import count_parameters

    count = count_parameters(spec.denoiser, shape, levels)
    with contextlib.suppress(OSError):  # the folder of a plan may be read-only
        write_json(path, count)
    return count


def _describe(chosen: Plan, experiment: ExperimentPlan, root: Path) -> dict[str, Any]:
    from amdiff.stages.convert import converted_parameters

    spec = experiment.spec
    shape = image_shape(chosen, spec.dataset, root)
    store = Store(root)
    made = [m.convert for m in experiment.models if m.convert is not None and store.complete(m.convert)]
    # only the files know the parameters of somebody else's model
    parameters = converted_parameters(store, made[0]) if made else _parameters(spec, shape, spec.diffusion.levels, root)
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
