"""Prompts to a text-to-image model: its files, what it draws, and the spectra of its score there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from amdiff.artifacts import FILES, Artifact
from amdiff.config import LatentSpectrumSpec
from amdiff.data.digests import sha256_once
from amdiff.data.images import DataError
from amdiff.data.pipelines import (
    latent_side,
    pipeline_digest,
    pipeline_files,
    pipeline_misfit,
    pipeline_path,
    read_components,
)
from amdiff.data.tally import named
from amdiff.files import read_json, write_json
from amdiff.landscape.spectra import normalisation

from .context import Context, Interrupts, say
from .files import read_h5, write_h5
from .loading import choose_device
from .resuming import restore_arrays, save_arrays

(PIPELINE,), (GENERATION,), (SPECTRUM,) = (FILES[stage] for stage in ("pipeline", "generate", "spectrum"))


def pipeline(context: Context, artifact: Artifact, folder: Path) -> None:
    """Make sure that a pipeline's files are here and fit, and record what they are."""
    spec = context.config.prompts[artifact.dataset]
    path = pipeline_path(spec.pipeline)
    known: dict[str, str] = {}
    if "source" in artifact.params and pipeline_digest(path, known) != artifact.params["source"]:
        raise DataError(f"{path} has changed since this run started; run snakemake again")
    context.facts["path"] = str(path)
    components = read_components(path)
    if problem := pipeline_misfit(components, spec):
        raise DataError(f"{path} {problem}")
    files = {name: sha256_once(file, known) for name, file in pipeline_files(path)}
    write_json(folder / PIPELINE, {"components": components, "sha256": files})
    say(f"pipeline {artifact.dataset}: {path}, {len(files)} files")
    half = [name for name in files if ".fp16." in name]
    notes = [f"weights in half precision, rounded to 11 bits: {named(half)}"] if half else []
    context.remark(f"pipeline {artifact.dataset}", notes)


def _load(context: Context, source: Artifact, precision: str, *, double: bool = False) -> tuple[Any, dict[str, Any]]:
    """The pipeline on the device that serves it, in ``double`` precision or not, and its components' configurations."""
    from amdiff.diffusion.guidance import TextToImage

    path = pipeline_path(context.config.prompts[source.dataset].pipeline, download=False)
    components = read_json(context.store.file(source, PIPELINE))["components"]
    device = choose_device(context.runtime.device, double=double)
    context.facts["device"] = str(device)
    try:
        return TextToImage(path, components, precision, device), components
    except (OSError, ValueError, RuntimeError, KeyError) as error:  # diffusers, transformers and safetensors
        raise DataError(f"{path} cannot be loaded ({' '.join(str(error).split())[:500]})") from None


def generate(context: Context, artifact: Artifact, folder: Path) -> None:
    """Draw an image for one prompt and seed."""
    from amdiff.diffusion.randomness import SampleNoise

    params = artifact.params
    model, components = _load(context, artifact.parent("pipeline"), params["precision"])
    progress = context.progress(artifact, params["steps"], "steps")
    latents = model.draw(
        params["prompt"],
        SampleNoise(params["seed"], [0]),
        side=latent_side(components, params["side"]),
        scale=params["guidance"],
        steps=params["steps"],
        callback=progress.update,
    )
    image = model.decode(latents)
    attributes = {
        "address": artifact.address,
        "truncated": model.truncated(params["prompt"]),
        "latent@meaning": "what the decoder is given, times its scaling factor",
        "image@range": "0 is black, 255 is white",
    }
    arrays = {"latent": latents[0].cpu().numpy(), "image": image[0].cpu().numpy()}
    write_h5(folder / GENERATION, arrays, attributes, compress=True)


def spectrum(context: Context, artifact: Artifact, folder: Path) -> None:
    """Singular values of the guided score's Jacobian at what was drawn; the Gram matrix lies in scratch meanwhile."""
    source = artifact.parent("generate")
    spec = LatentSpectrumSpec.model_validate(artifact.params["spectrum"])
    model, _ = _load(context, source.parent("pipeline"), source.params["precision"], double=True)
    (latent,) = read_h5(context.store.file(source, GENERATION), "latent")
    denoiser, schedule = model.guided(source.params["prompt"], source.params["guidance"]), model.schedule
    d = latent.size
    gaussian = spec.directions == "gaussian"
    rows = spec.rows_per_dimension * d if gaussian else d
    raw = {at: _values(context, artifact, denoiser, schedule, latent, at, spec, rows) for at in spec.times}
    arrays: dict[str, np.ndarray] = {"times": np.array(spec.times), "sigma": schedule.sigma[list(spec.times)]}
    for at, values in raw.items():
        unit = normalisation(float(schedule.sigma[at]), rows, 1.0 if gaussian else 1 / d)
        arrays |= {f"raw/t{at:05d}": values, f"normalised/t{at:05d}": values / unit}
    write_h5(folder / SPECTRUM, arrays, {"address": artifact.address, "rows": rows}, compress=True)


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
