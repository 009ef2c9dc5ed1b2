"""Curvature of the energy: spectra of the score's Jacobian."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import CurvatureSpec
from amdiff.landscape.spectra import normalisation

from .analysis import as_images, at_targets, load_model, write_analysis
from .blocks import Arrays
from .context import Context
from .targets import choose_targets


def curvature(context: Context, artifact: Artifact, folder: Path) -> None:
    """Compute the singular values of the score's Jacobian at each target and time (algorithms 2 and 3)."""
    from amdiff.diffusion.randomness import SampleNoise
    from amdiff.landscape.curvature import score_spectra

    spec = CurvatureSpec.model_validate(artifact.params["analysis"])
    targets = choose_targets(context, artifact, spec)
    shape = targets["train"].images.shape[1:]
    d = int(np.prod(shape))
    denoiser, schedule, device = load_model(context, artifact, shape)
    gaussian = spec.directions == "gaussian"
    rows = spec.directions_at(d)

    def compute(group: str, start: int, stop: int) -> Arrays:
        chosen = targets[group]
        images = as_images(chosen.images[start:stop], device)
        out = {}
        for time in spec.times:
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
            out[f"t{time:05d}"] = raw.cpu().numpy()
        return out

    block = max(1, context.runtime.analysis_batch // d)
    found = at_targets(context, artifact, targets, block, compute)
    spread: dict[str, Arrays] = {}
    for group, arrays in found.items():
        spread[group] = {}
        for time, (name, raw) in zip(spec.times, arrays.items(), strict=True):
            unit = normalisation(float(schedule.sigma[time]), rows, 1.0 if gaussian else 1 / d)
            spread[group] |= {
                f"raw/{name}": raw.astype(np.float32),
                f"normalised/{name}": (raw / unit).astype(np.float32),
            }
    sigma = schedule.sigma[list(spec.times)]
    write_analysis(folder, artifact, targets, spread, {"times": np.array(spec.times), "sigma": sigma}, {})
