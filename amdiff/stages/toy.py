"""The toy model's landscape: learned, empirical and infinite-data energies on one grid (section 4.1, fig. 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from amdiff.artifacts import FILES, Artifact
from amdiff.config import LikelihoodSpec
from amdiff.diffusion.schedules import VarianceExploding
from amdiff.files import write_json
from amdiff.landscape import circle
from amdiff.landscape.minima import Minimum, grid_minima

from .context import Context
from .files import SAMPLES, read_h5, write_h5
from .loading import choose_device, load_denoiser, process_of, training_points

LANDSCAPE, SUMMARY = FILES["likelihood"]


def likelihood(context: Context, artifact: Artifact, folder: Path) -> None:
    """Energy of the model by its likelihood, beside those of its K points and of infinite data; basins, clusters."""
    import torch

    from amdiff.diffusion.memory import DenseAssociativeMemory, ve_level
    from amdiff.landscape.likelihood import log_likelihood, standard_normal_log_density

    spec = LikelihoodSpec.model_validate(artifact.params["likelihood"])
    process = process_of(artifact.params)
    assert isinstance(process, VarianceExploding)
    device = choose_device("cpu")  # two dimensions, in float64
    denoiser = load_denoiser(context, artifact, (2,), device)
    if isinstance(denoiser, torch.nn.Module):
        denoiser = denoiser.double()
    points = training_points(context, artifact)
    memory = DenseAssociativeMemory(torch.from_numpy(points))
    last = ve_level(1.0, process.sigma)

    def end(x: Any) -> Any:
        return memory.log_density(x, *last)

    axis = np.linspace(-spec.extent, spec.extent, spec.points)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)  # rows are y, columns x
    x = torch.from_numpy(grid)
    progress = context.progress(artifact, 100, "% of the way")
    log_density = log_likelihood(
        denoiser,
        process,
        x,
        spec.time,
        end if spec.end == "training" else standard_normal_log_density(process.sigma),
        probes=spec.probes if spec.divergence == "hutchinson" else None,
        generator=torch.Generator().manual_seed(spec.seed) if spec.divergence == "hutchinson" else None,
        rtol=spec.tolerance,
        atol=spec.tolerance,
        callback=lambda share: progress.update(int(100 * share)),
    )
    beta, _ = ve_level(spec.time, process.sigma)
    sigma_t = process.sigma * spec.time**0.5
    with torch.inference_mode():
        score = -denoiser(x, torch.full((len(x),), spec.time, dtype=torch.float64)) / sigma_t
    shape = (spec.points, spec.points)
    energies = {
        "learned": -log_density / beta,
        "empirical": memory.energy(x, beta).numpy(),
        "infinite": circle.energy(grid, beta),
    }
    energies = {name: (e - e.min()).reshape(shape) for name, e in energies.items()}
    profiles = {name: circle.radial_profile(energy, axis) for name, energy in energies.items()}
    (samples,) = read_h5(context.store.file(artifact.parents["samples"][0], SAMPLES), "points")
    clusters = _clusters(samples, points, spec.cluster_distance)
    arrays = {f"energy/{name}": energy for name, energy in energies.items()}
    arrays |= {f"profile/{name}": mean for name, (_, mean) in profiles.items()}
    arrays |= {
        "axis": axis,
        "radius": profiles["learned"][0],
        "score": score.numpy().reshape(*shape, 2),
        "log_density": log_density.reshape(shape),
        "points": points,
        "samples": samples,
    }
    write_h5(folder / LANDSCAPE, arrays, {"address": artifact.address, "time": spec.time, "beta": beta})
    lowest = {name: float(radius[mean.argmin()]) for name, (radius, mean) in profiles.items()}
    summary = {
        "size": artifact.params["size"],
        "time": spec.time,
        "beta": beta,
        "ring_radius": circle.ring_radius(beta),
        "lowest_radius": lowest,
        "minima": {
            name: _minima(grid_minima(energies[name], spec.min_depth), axis, points)
            for name in ("learned", "empirical")
        },
        "difference": float(np.sqrt(np.mean(_near(energies, "learned", "empirical") ** 2))),
        "clusters": clusters,
        "n_samples": len(samples),
        "sample_radius": {
            "mean": float(np.linalg.norm(samples, axis=1).mean()),
            "std": float(np.linalg.norm(samples, axis=1).std()),
        },
    }
    write_json(folder / SUMMARY, summary)


def _near(energies: dict[str, np.ndarray], a: str, b: str) -> np.ndarray:
    """Difference of two energies where both are low, up to the constant that energies leave open."""
    low = (energies[a] < 0.5) & (energies[b] < 0.5)
    difference = (energies[a] - energies[b])[low] if low.any() else np.zeros(1)
    return difference - difference.mean()


def _nearest(points: np.ndarray, place: np.ndarray) -> float:
    """Distance of a place to the nearest training point."""
    return float(np.linalg.norm(points - place, axis=1).min())


def _minima(found: list[Minimum], axis: np.ndarray, points: np.ndarray) -> list[dict[str, Any]]:
    """Places and depths of minima, with the training point nearest to each."""
    out = []
    for minimum in found:
        place = np.array([axis[minimum.column], axis[minimum.row]])
        out.append(
            {
                "x": float(place[0]),
                "y": float(place[1]),
                "energy": minimum.energy,
                "depth": minimum.depth if np.isfinite(minimum.depth) else None,
                "nearest_training_distance": _nearest(points, place),
            }
        )
    return out


def _clusters(samples: np.ndarray, points: np.ndarray, diameter: float) -> list[dict[str, Any]]:
    """Clusters of generated points by complete linkage, the largest first, those of one size by their first sample."""
    labels = fcluster(linkage(samples, "complete"), diameter, "distance")
    numbers, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    out = []
    for place in np.lexsort((first, -sizes)):
        centre = samples[labels == numbers[place]].mean(axis=0)
        out.append(
            {
                "x": float(centre[0]),
                "y": float(centre[1]),
                "size": int(sizes[place]),
                "nearest_training_distance": _nearest(points, centre),
            }
        )
    return out
