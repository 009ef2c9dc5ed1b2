"""Basins of attraction: how far the denoised copies of a target lie from the target."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import BasinSpec

from .analysis import as_images, at_targets, load_model, write_analysis
from .blocks import Arrays
from .context import Context
from .embedding import load_weights
from .targets import choose_targets, delta_m

WATCHED = 8
"""Number of targets of each class whose denoised copies are stored as pictures, for every time (arrays ``scanned`` and
``back``)."""

NULL_TARGETS = 64
"""Number of targets of each class for which a denoiser that predicts no noise is searched too (``null_distance``)."""


def basin(context: Context, artifact: Artifact, folder: Path) -> None:
    """Add noise to copies of each target, denoise them, and store their distances to the target (algorithm 1).

    There is a distance for every copy and for each time that the search visits.
    """
    import torch

    from amdiff.diffusion.randomness import SampleNoise
    from amdiff.landscape.basins import Search, bisect, lengths, no_denoiser, pair_distance, scan
    from amdiff.landscape.times import fine_times, search_times

    params = dict(artifact.params["analysis"])
    stop = params.pop("stop")
    delta = stop if isinstance(stop, float) else stop["delta_m"] * delta_m(context, artifact)
    finest = params.pop("finest", None)
    spec = BasinSpec.model_validate(params)
    targets = choose_targets(context, artifact, spec)
    shape = targets["train"].images.shape[1:]
    denoiser, schedule, device = load_model(context, artifact, shape)
    d = int(np.prod(shape))
    times = (
        search_times(schedule, spec.first, spec.stride)
        if spec.ratio is None
        else fine_times(schedule, spec.first, spec.stride, spec.ratio, finest and finest * delta, d)
    )
    search = Search(
        denoiser,
        schedule,
        times,
        steps=spec.steps,
        delta=delta,
        probability=spec.probability,
        distance=pair_distance(spec.metric, load_weights(context, artifact), device),
        clip=spec.clip,
        batch=context.runtime.analysis_batch,
    )

    def pairs(group: str, start: int, stop: int) -> tuple[Any, Any]:
        """Targets [start, stop) of a group, and the noise that is added to their copies."""
        chosen = targets[group]
        noise = SampleNoise(spec.seed, chosen.stream[start:stop].tolist())((spec.copies, *shape))
        return as_images(chosen.images[start:stop], device), torch.from_numpy(noise).to(device)

    null = replace(search, denoiser=no_denoiser, steps=1)
    bisection = spec.search == "bisection"
    few = max(WATCHED, spec.check) if bisection else WATCHED

    def compute(group: str, start: int, stop: int) -> Arrays:
        images, noise = pairs(group, start, stop)
        out = dict(zip(("squares", "products", "noise_squares"), lengths(images, noise), strict=True))
        first = max(0, min(few, stop) - start)  # targets of this block that are among the first few
        if bisection:
            out["distance"] = bisect(search, images, noise)
            out["scanned"], back = scan(search, images[:first], noise[:first], watch=first)
        else:
            out["distance"], back = scan(search, images, noise, watch=first)
            out["scanned"] = out["distance"][:first]
        few_null = max(0, min(NULL_TARGETS, stop) - start)
        out["null_distance"], _ = scan(null, images[:few_null], noise[:few_null])
        out["back"] = ((np.nan_to_num(back) + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
        out["images"] = targets[group].images[start : start + first]
        return out

    block = max(1, context.runtime.analysis_batch // spec.copies)
    found = at_targets(context, artifact, targets, block, compute)
    attributes = {"delta": delta, "dimension": d, "search": spec.search}
    extra = {"times": search.times, "alpha_bar": schedule.alpha_bar[search.times]}
    write_analysis(folder, artifact, targets, found, extra, attributes)
