"""Relative energy along paths to reference images."""

from __future__ import annotations

from pathlib import Path

from amdiff.artifacts import Artifact
from amdiff.config import EnergySpec
from amdiff.data.subsets import training_subset

from .analysis import as_images, at_targets, load_model, write_analysis
from .blocks import Arrays
from .context import Context
from .stored_images import dataset_counts, dataset_images
from .targets import choose_targets


def energy(context: Context, artifact: Artifact, folder: Path) -> None:
    """Compute the potential of each target relative to each reference image (eq. 46-47)."""
    from amdiff.landscape.potential import relative_energy

    spec = EnergySpec.model_validate(artifact.params["analysis"])
    targets = choose_targets(context, artifact, spec)
    denoiser, schedule, device = load_model(context, artifact, targets["train"].images.shape[1:])
    source = artifact.parent("dataset")
    count, _ = dataset_counts(context.store, source)
    rows = training_subset(count, spec.references, artifact.params["subset_seed"])
    references = as_images(dataset_images(context.store, source).rows(rows), device)

    def compute(group: str, start: int, stop: int) -> Arrays:
        images = as_images(targets[group].images[start:stop], device)
        found = relative_energy(
            denoiser,
            images,
            references,
            schedule,
            time=spec.time,
            points=spec.points,
            batch=context.runtime.analysis_batch,
        )
        return {"energy": found.cpu().numpy()}

    block = max(1, context.runtime.analysis_batch // spec.points)
    found = at_targets(context, artifact, targets, block, compute)
    write_analysis(folder, artifact, targets, found, {"references": rows}, {})
