"""Spectra of the score of a text-to-image model at what it drew."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import LatentSpectrumSpec
from amdiff.landscape.spectra import normalisation

from .console import say
from .context import Context
from .generate import load_text_to_image
from .hdf5 import read_h5, write_h5
from .interrupts import Interrupts
from .resuming import restore_arrays, save_arrays


def spectrum(context: Context, artifact: Artifact, folder: Path) -> None:
    """Singular values of the guided score's Jacobian at what was drawn; the Gram matrix lies in scratch meanwhile."""
    source = artifact.parent("generate")
    spec = LatentSpectrumSpec.model_validate(artifact.params["spectrum"])
    model, _ = load_text_to_image(context, source.parent("pipeline"), source.params["precision"], double=True)
    (latent,) = read_h5(context.store.file(source), "latent")
    denoiser, schedule = model.guided(source.params["prompt"], source.params["guidance"]), model.schedule
    d = latent.size
    gaussian = spec.directions == "gaussian"
    rows = spec.rows_per_dimension * d if gaussian else d
    raw = {at: _values(context, artifact, denoiser, schedule, latent, at, spec, rows) for at in spec.times}
    arrays: dict[str, np.ndarray] = {"times": np.array(spec.times), "sigma": schedule.sigma[list(spec.times)]}
    for at, values in raw.items():
        unit = normalisation(float(schedule.sigma[at]), rows, 1.0 if gaussian else 1 / d)
        arrays |= {f"raw/t{at:05d}": values, f"normalised/t{at:05d}": values / unit}
    write_h5(folder / artifact.file(), arrays, {"address": artifact.address, "rows": rows}, compress=True)


def _values(
    context: Context,
    artifact: Artifact,
    denoiser: Any,
    schedule: Any,
    latent: np.ndarray,
    at: int,
    spec: LatentSpectrumSpec,
    rows: int,
) -> np.ndarray:
    """Raw singular values, float64 (d,), at one noise level; what is finished survives an interruption."""
    import torch

    from amdiff.diffusion.randomness import ANALYSIS, SampleNoise
    from amdiff.landscape.curvature import add_scores, singular_values

    scratch = context.store.scratch(artifact)
    finished, state = scratch / f"values-{at}.npz", scratch / f"gram-{at}.npz"
    if (stored := restore_arrays(finished)) is not None:
        return stored["values"]
    image = torch.from_numpy(latent)[None].to(denoiser.embeddings.device)
    first, gram = 0, torch.zeros(1, latent.size, latent.size, dtype=torch.float64, device=image.device)
    if (found := restore_arrays(state)) is not None:
        gram.copy_(torch.from_numpy(found["gram"]))
        first = int(found["rows"])
        say(f"spectrum {artifact.dataset} {artifact.label}: resumes at direction {first:,} of {rows:,}")
    progress = context.progress(artifact, rows, f"directions at t = {at}", first)
    saved, cost = time.monotonic(), 0.0
    with Interrupts() as interrupts:
        for done in add_scores(
            gram,
            denoiser,
            image,
            at,
            schedule,
            method=spec.method,
            rows=rows,
            noise=SampleNoise(spec.seed, [ANALYSIS]) if spec.directions == "gaussian" else None,
            batch=context.runtime.latent_batch,
            start=first,
        ):
            progress.update(done)
            now = time.monotonic()
            # a Gram matrix of Stable Diffusion has 2 GiB: writing it takes a tenth of the time at most
            if interrupts.seen or now - saved > max(context.runtime.checkpoint_seconds, 10 * cost):
                save_arrays(state, gram=gram.cpu().numpy(), rows=np.array(done))
                saved = time.monotonic()
                cost = saved - now
            interrupts.obey()
    values = singular_values(gram)[0].cpu().numpy()
    save_arrays(finished, values=values)
    state.unlink(missing_ok=True)
    return values
