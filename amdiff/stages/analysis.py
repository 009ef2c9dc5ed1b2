"""What stages that look at the energy landscape share.

Each visits training points and samples of each class, block by block, and stores what is expensive: recovery distances,
spectra, potentials. Critical times, volumes, dimensions and gaps follow from these in the report.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import DiffusionSpec
from amdiff.diffusion.processes import Schedule

from .blocks import Arrays
from .context import Context
from .hdf5 import write_h5
from .loading import denoiser_device, load_denoiser
from .targets import Targets


def load_model(context: Context, artifact: Artifact, shape: tuple[int, ...]) -> tuple[Any, Schedule, Any]:
    """Denoiser, forward process and device."""
    device = denoiser_device(context, artifact, double=True)
    context.facts["device"] = str(device)
    schedule = Schedule.of(DiffusionSpec.model_validate(artifact.params["diffusion"]))
    return load_denoiser(context, artifact, shape, device), schedule, device


def as_images(images: np.ndarray, device: Any) -> Any:
    """uint8 to float32 in [-1, 1] on the device."""
    import torch

    from amdiff.diffusion.sampling import from_uint8

    return from_uint8(torch.from_numpy(images)).to(device)


def write_analysis(
    folder: Path,
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
    write_h5(folder / artifact.file(), arrays, described, compress=True)
