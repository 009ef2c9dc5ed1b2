"""Stages that look at the energy landscape of a model: basin, curvature, energy.

Each visits training points and samples of each class, block by block, and stores what is expensive: recovery distances,
spectra, potentials. Critical times, volumes, dimensions and gaps follow from these in the report.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from amdiff.artifacts import FILES, Artifact
from amdiff.config import BasinSpec, CurvatureSpec, EnergySpec
from amdiff.data.subsets import training_subset
from amdiff.diffusion.schedules import Schedule
from amdiff.landscape.spectra import normalisation

from .blocks import Arrays, in_blocks
from .context import Context
from .files import dataset_counts, dataset_images, write_h5
from .loading import denoiser_device, load_denoiser, process_of
from .metrics import load_weights
from .targets import Targets, choose_targets, delta_m

(BASIN,), (CURVATURE,), (ENERGY,) = (FILES[stage] for stage in ("basin", "curvature", "energy"))
WATCHED = 8
"""Targets of each class of which it is kept what comes back from each time (``scanned``, ``back``), for the eye."""


def _model(context: Context, artifact: Artifact, shape: tuple[int, ...]) -> tuple[Any, Schedule, Any]:
    """Denoiser, forward process and device."""
    device = denoiser_device(context, artifact, double=True)
    context.facts["device"] = str(device)
    process = process_of(artifact.params)
    assert isinstance(process, Schedule)
    return load_denoiser(context, artifact, shape, device), process, device


def _as_images(images: np.ndarray, device: Any) -> Any:
    """uint8 to float32 in [-1, 1] on the device."""
    import torch

    from amdiff.diffusion.sampling import from_uint8

    return from_uint8(torch.from_numpy(images)).to(device)


def _write(
    path: Path,
    artifact: Artifact,
    targets: dict[str, Targets],
    found: dict[str, Arrays],
    common: Arrays,
    attributes: dict[str, Any],
) -> None:
    """One HDF5 group for each kind of targets, with their numbers and clusters, beside what is common to all."""
    arrays, described = dict(common), {"address": artifact.address, **attributes}
    for group, chosen in targets.items():
        arrays |= {f"{group}/target": chosen.index, f"{group}/cluster": chosen.cluster}
        arrays |= {f"{group}/{name}": array for name, array in found[group].items()}
        described |= {
            f"{group}/target@meaning": "number in S'; for 'train', row of the canonical dataset",
            f"{group}/cluster@meaning": "attractor of the sample; a negative number of its own where it has none",
        }
    write_h5(path, arrays, described, compress=True)


def basin(context: Context, artifact: Artifact, folder: Path) -> None:
    """Distances of noisy copies to what they came from, at each time of the search (algorithm 1)."""
    import torch

    from amdiff.diffusion.randomness import SampleNoise
    from amdiff.landscape.basins import Search, bisect, lengths, pair_distance, scan, search_times

    params = dict(artifact.params["analysis"])
    stop = params.pop("stop")
    delta = stop if isinstance(stop, float) else stop["delta_m"] * delta_m(context, artifact)
    spec = BasinSpec.model_validate(params)
    targets = choose_targets(context, artifact, spec)
    shape = targets["train"].images.shape[1:]
    denoiser, schedule, device = _model(context, artifact, shape)
    search = Search(
        denoiser,
        schedule,
        search_times(schedule, spec.first, spec.stride),
        steps=spec.steps,
        delta=delta,
        probability=spec.probability,
        distance=pair_distance(spec.metric, load_weights(context, artifact), device),
        clip=spec.clip,
        batch=context.runtime.analysis_batch,
    )

    def pairs(group: str, start: int, stop: int) -> tuple[Any, Any]:
        """Targets, and the noise of their copies."""
        chosen = targets[group]
        noise = SampleNoise(spec.seed, chosen.stream[start:stop].tolist())((spec.copies, *shape))
        return _as_images(chosen.images[start:stop], device), torch.from_numpy(noise).to(device)

    bisection = spec.search == "bisection"
    few = max(WATCHED, spec.check) if bisection else WATCHED

    def compute(group: str, start: int, stop: int) -> Arrays:
        images, noise = pairs(group, start, stop)
        out = dict(zip(("squares", "products", "noise_squares"), lengths(images, noise), strict=True))
        first = max(0, min(few, stop) - start)  # of this block, how many are among the first few
        if bisection:
            out["distance"] = bisect(search, images, noise)
            out["scanned"], back = scan(search, images[:first], noise[:first], watch=first)
        else:
            out["distance"], back = scan(search, images, noise, watch=first)
            out["scanned"] = out["distance"][:first]
        out["back"] = ((np.nan_to_num(back) + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
        out["images"] = targets[group].images[start : start + first]
        return out

    block = max(1, context.runtime.analysis_batch // spec.copies)
    found = in_blocks(context, artifact, {g: len(t.index) for g, t in targets.items()}, block, compute)
    attributes = {"delta": delta, "dimension": int(np.prod(shape)), "search": spec.search}
    extra = {"times": search.times, "alpha_bar": schedule.alpha_bar[search.times]}
    _write(folder / BASIN, artifact, targets, found, extra, attributes)


def curvature(context: Context, artifact: Artifact, folder: Path) -> None:
    """Singular values of the score's Jacobian at each target and time (algorithms 2 and 3)."""
    from amdiff.diffusion.randomness import SampleNoise
    from amdiff.landscape.curvature import score_spectra

    spec = CurvatureSpec.model_validate(artifact.params["analysis"])
    targets = choose_targets(context, artifact, spec)
    shape = targets["train"].images.shape[1:]
    d = int(np.prod(shape))
    denoiser, schedule, device = _model(context, artifact, shape)
    gaussian = spec.directions == "gaussian"
    rows = spec.rows_per_dimension * d if gaussian else d

    def compute(group: str, start: int, stop: int) -> Arrays:
        chosen = targets[group]
        images = _as_images(chosen.images[start:stop], device)
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
    found = in_blocks(context, artifact, {g: len(t.index) for g, t in targets.items()}, block, compute)
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
    _write(folder / CURVATURE, artifact, targets, spread, {"times": np.array(spec.times), "sigma": sigma}, {})


def energy(context: Context, artifact: Artifact, folder: Path) -> None:
    """Potential of each target relative to each reference image (eq. 46-47)."""
    from amdiff.landscape.potential import relative_energy

    spec = EnergySpec.model_validate(artifact.params["analysis"])
    targets = choose_targets(context, artifact, spec)
    denoiser, schedule, device = _model(context, artifact, targets["train"].images.shape[1:])
    source = artifact.parent("dataset")
    count, _ = dataset_counts(context.store, source)
    rows = training_subset(count, spec.references, artifact.params["subset_seed"])
    references = _as_images(dataset_images(context.store, source).rows(rows), device)

    def compute(group: str, start: int, stop: int) -> Arrays:
        images = _as_images(targets[group].images[start:stop], device)
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
    found = in_blocks(context, artifact, {g: len(t.index) for g, t in targets.items()}, block, compute)
    _write(folder / ENERGY, artifact, targets, found, {"references": rows}, {})
