"""Relative energy along paths to reference images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import EnergySpec
from amdiff.landscape.findings import PATHS

from .analysis import as_images, at_targets, load_model, write_analysis
from .blocks import Arrays
from .context import Context
from .stored_images import dataset_images
from .subsets import training_rows
from .targets import choose_targets

PARTS = ("antisymmetric", "symmetric")
GRAPH = 256
"""How many times fewer images than in other analyses are differentiated together, since each takes much memory."""


def energy(context: Context, artifact: Artifact, folder: Path) -> None:
    """Compute the potential of each target relative to each reference image (eq. 46-47), along two paths.

    The antisymmetric part of the Jacobian tells how far the field is from having a potential at all.
    """
    import torch

    from amdiff.diffusion.fast import in_double
    from amdiff.diffusion.randomness import SampleNoise
    from amdiff.landscape.potential import asymmetry, path_energy

    spec = EnergySpec.model_validate(artifact.params["analysis"])
    targets = choose_targets(context, artifact, spec)
    denoiser, schedule, device = load_model(context, artifact, targets["train"].images.shape[1:])
    source = artifact.parent("dataset")
    rows = training_rows(context, artifact, spec.references)
    exact = in_double(denoiser)
    references = as_images(dataset_images(context.store, source).rows(rows), device)

    def compute(group: str, start: int, stop: int) -> Arrays:
        chosen = targets[group]
        images = as_images(chosen.images[start:stop], device)
        out: dict[str, list[Any]] = {name: [] for path in PATHS for name in (path, f"{path}_change")}
        out |= {name: [] for name in PARTS}
        for time in spec.times:
            for path in PATHS:
                energies, change = path_energy(
                    denoiser,
                    images,
                    references,
                    schedule,
                    path=path,
                    time=time,
                    points=spec.points,
                    batch=context.runtime.analysis_batch,
                )
                out[path].append(energies)
                out[f"{path}_change"].append(change)
            few = max(1, context.runtime.analysis_batch // GRAPH)
            measured = [
                asymmetry(
                    exact,
                    images[first : first + few].double(),
                    time,
                    schedule,
                    SampleNoise(spec.seed, chosen.stream[start:stop][first : first + few].tolist()),
                    probes=spec.probes,
                )
                for first in range(0, len(images), few)
            ]
            for name, parts in zip(PARTS, zip(*measured, strict=True), strict=True):
                out[name].append(torch.cat(parts))
        return {name: torch.stack(values, dim=1).cpu().numpy() for name, values in out.items()}

    block = max(1, context.runtime.analysis_batch // spec.points)
    found = at_targets(context, artifact, targets, block, compute)
    common = {"references": rows, "times": np.array(spec.times)}
    meanings: dict[str, str] = {
        **{path: f"U of each target, time and reference, along the {path} path" for path in PATHS},
        **{f"{path}_change": "what U changes by with every second point of the path" for path in PATHS},
        "antisymmetric": "squared norm of J - J^T of the predicted noise, for each target and time",
        "symmetric": "squared norm of J + J^T of the predicted noise, for each target and time",
    }
    described = {f"{group}/{name}@meaning": meaning for group in targets for name, meaning in meanings.items()}
    write_analysis(folder, artifact, targets, found, common, described)
