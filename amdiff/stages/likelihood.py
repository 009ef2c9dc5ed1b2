"""The landscape of an experiment on the circle: learned, empirical and infinite-data energies on one grid (fig. 2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from amdiff.artifacts import Artifact
from amdiff.config import LikelihoodSpec, VeSpec
from amdiff.diffusion.processes import VarianceExploding
from amdiff.files import write_json
from amdiff.landscape import circle
from amdiff.landscape.minima import Minimum, grid_minima

from .context import Context
from .hdf5 import read_h5, write_h5
from .loading import choose_device, load_denoiser, training_points

if TYPE_CHECKING:
    from amdiff.diffusion.memory import DenseAssociativeMemory


def likelihood(context: Context, artifact: Artifact, folder: Path) -> None:
    """Compute the energy of the model from its likelihood, and the energies of its K points and of infinite data.

    The summary holds the minima of the energies and the clusters of the samples.
    """
    import torch

    from amdiff.diffusion.memory import DenseAssociativeMemory, ve_level

    spec = LikelihoodSpec.model_validate(artifact.params["likelihood"])
    process = VarianceExploding(VeSpec.model_validate(artifact.params["diffusion"]).sigma)
    denoiser = load_denoiser(context, artifact, (2,), choose_device("cpu"))  # points of two dimensions, in float64
    if isinstance(denoiser, torch.nn.Module):
        denoiser = denoiser.double()
    points = training_points(context, artifact)
    memory = DenseAssociativeMemory(torch.from_numpy(points))
    (samples,) = read_h5(context.store.file(artifact.parents["samples"][0]), "points")
    beta, _ = ve_level(spec.time, process.sigma)
    axis = np.linspace(-spec.extent, spec.extent, spec.points)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)  # rows are y, columns x
    progress = context.progress(artifact, 100, "% of the way")
    log_density = _log_density(spec, process, denoiser, memory, grid, lambda share: progress.update(int(100 * share)))
    with torch.inference_mode():
        at = torch.full((len(grid),), spec.time, dtype=torch.float64)
        score = -denoiser(torch.from_numpy(grid), at) / (process.sigma * spec.time**0.5)
    shape = (spec.points, spec.points)
    energies = {
        "learned": -log_density / beta,
        "empirical": memory.energy(torch.from_numpy(grid), beta).numpy(),
        "infinite": circle.energy(grid, beta),
    }
    energies = {name: (e - e.min()).reshape(shape) for name, e in energies.items()}
    profiles = {name: circle.radial_profile(energy, axis) for name, energy in energies.items()}
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
    attributes = {"address": artifact.address, "time": spec.time, "beta": beta}
    write_h5(folder / artifact.file("landscape"), arrays, attributes)
    summary = {
        "size": artifact.params["size"],
        "time": spec.time,
        "beta": beta,
        "ring_radius": circle.ring_radius(beta),
        "lowest_radius": {name: float(radius[mean.argmin()]) for name, (radius, mean) in profiles.items()},
        **_landscape(spec, energies, axis, points),
        **_samples(spec, samples, points),
    }
    write_json(folder / artifact.file("summary"), summary)


def _log_density(
    spec: LikelihoodSpec,
    process: VarianceExploding,
    denoiser: Any,
    memory: DenseAssociativeMemory,
    grid: np.ndarray,
    callback: Callable[[float], None],
) -> np.ndarray:
    """Log-density of the model at the points of the grid, float64 (n,). ``callback`` gets the share that is done."""
    import torch

    from amdiff.diffusion.memory import ve_level
    from amdiff.landscape.likelihood import log_likelihood, standard_normal_log_density

    last = ve_level(1.0, process.sigma)

    def of_training_points(x: Any) -> Any:
        return memory.log_density(x, *last)

    random = spec.divergence == "hutchinson"
    return log_likelihood(
        denoiser,
        process,
        torch.from_numpy(grid),
        spec.time,
        of_training_points if spec.end == "training" else standard_normal_log_density(process.sigma),
        probes=spec.probes if random else None,
        generator=torch.Generator().manual_seed(spec.seed) if random else None,
        rtol=spec.tolerance,
        atol=spec.tolerance,
        callback=callback,
    )


def _landscape(
    spec: LikelihoodSpec, energies: dict[str, np.ndarray], axis: np.ndarray, points: np.ndarray
) -> dict[str, Any]:
    """Minima of the learned and the empirical energy, and the difference of these energies, as plain data."""
    return {
        "minima": {
            name: _minima(grid_minima(energies[name], spec.min_depth), axis, points)
            for name in ("learned", "empirical")
        },
        "difference": float(np.sqrt(np.mean(_near(energies, "learned", "empirical") ** 2))),
        "difference_grid": float((energies["learned"] - energies["empirical"]).std()),
    }


def _samples(spec: LikelihoodSpec, samples: np.ndarray, points: np.ndarray) -> dict[str, Any]:
    """Clusters and radii of the samples, as plain data."""
    radii = np.linalg.norm(samples, axis=1)
    return {
        "clusters": _clusters(samples, points, spec.cluster_distance),
        "n_samples": len(samples),
        "sample_radius": {"mean": float(radii.mean()), "std": float(radii.std())},
    }


def _near(energies: dict[str, np.ndarray], a: str, b: str) -> np.ndarray:
    """Difference of two energies where both are low. Its mean is removed, since energies are known up to a constant."""
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
    """Clusters of generated points by complete linkage, the largest first.

    Clusters of the same size are in the order of their first samples.
    """
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
