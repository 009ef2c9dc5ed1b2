"""Curvature of the energy: spectra of the score's Jacobian."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import CurvatureSpec
from amdiff.landscape.spectra import normalisation

from .analysis import as_images, at_targets, load_model, write_analysis
from .blocks import Arrays
from .context import Context
from .stored_images import dataset_counts, dataset_images
from .targets import choose_targets


def curvature(context: Context, artifact: Artifact, folder: Path) -> None:
    """Compute the singular values of the score's Jacobian at each target and time (algorithms 2 and 3)."""
    import torch

    from amdiff.diffusion.randomness import SampleNoise
    from amdiff.landscape.curvature import score_spectra
    from amdiff.landscape.resolution import contraction, still_directions

    spec = CurvatureSpec.model_validate(artifact.params["analysis"])
    targets = choose_targets(context, artifact, spec)
    shape = targets["train"].images.shape[1:]
    d = int(np.prod(shape))
    denoiser, schedule, device = load_model(context, artifact, shape)
    gaussian = spec.directions == "gaussian"
    rows = spec.directions_at(d)
    sigma = schedule.sigma[list(spec.times)]
    still = [torch.from_numpy(v) for v in still_directions(partial(_pool, context, artifact), sigma)]

    def compute(group: str, start: int, stop: int) -> Arrays:
        chosen = targets[group]
        images = as_images(chosen.images[start:stop], device)
        out = {}
        for time, directions in zip(spec.times, still, strict=True):
            raw = score_spectra(
                denoiser,
                images,
                time,
                schedule,
                method=spec.method,
                rows=rows,
                noise=SampleNoise(spec.seed, chosen.stream[start:stop].tolist()) if gaussian else None,
                batch=context.runtime.analysis_batch,
            )
            out[f"raw/t{time:05d}"] = raw.cpu().numpy()
            if len(directions):
                told = contraction(denoiser, images, directions, time, schedule, batch=context.runtime.analysis_batch)
                out[f"contraction/t{time:05d}"] = told.cpu().numpy()
        return out

    block = max(1, context.runtime.analysis_batch // d)
    found = at_targets(context, artifact, targets, block, compute)
    for arrays in found.values():
        for time, width in zip(spec.times, sigma, strict=True):
            raw = arrays[f"raw/t{time:05d}"]
            unit = normalisation(float(width), rows, 1.0 if gaussian else 1 / d)
            arrays[f"raw/t{time:05d}"] = raw.astype(np.float32)
            arrays[f"normalised/t{time:05d}"] = (raw / unit).astype(np.float32)
    counts = np.array([len(directions) for directions in still])
    common = {"times": np.array(spec.times), "sigma": sigma, "still": counts}
    described = {"still@meaning": "number of directions without data along which the contraction was measured"}
    write_analysis(folder, artifact, targets, found, common, described)


def _pool(context: Context, artifact: Artifact) -> Iterator[np.ndarray]:
    """All training images of the dataset, in blocks."""
    source = artifact.parent("dataset")
    count, _ = dataset_counts(context.store, source)
    images = dataset_images(context.store, source)
    for start in range(0, count, 4096):
        yield images.rows(np.arange(start, min(start + 4096, count)))
