"""Functions that the analyses of the energy landscape share.

Each analysis visits training points and samples of each class, block by block. It stores only what is expensive to
compute: recovery distances, spectra or potentials. The report derives critical times, volumes, dimensions and energy
gaps from these.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import DiffusionSpec
from amdiff.diffusion.processes import Schedule

from .blocks import Arrays, in_blocks
from .context import Context
from .hdf5 import write_h5
from .loading import fast_denoiser
from .targets import Targets


def load_model(context: Context, artifact: Artifact, shape: tuple[int, ...]) -> tuple[Any, Schedule, Any]:
    """Load the denoiser and the forward process of an analysis. Returns both, and the device of the denoiser.

    ``shape`` is the shape (C, H, W) of one image.
    """
    denoiser, device = fast_denoiser(context, artifact, shape, double=True)
    return denoiser, Schedule.of(DiffusionSpec.model_validate(artifact.params["diffusion"])), device


def as_images(images: np.ndarray, device: Any) -> Any:
    """Images as a float32 tensor in [-1, 1] on ``device``, from uint8."""
    import torch

    from amdiff.diffusion.sampling import from_uint8

    return from_uint8(torch.from_numpy(images)).to(device)


def at_targets(
    context: Context,
    artifact: Artifact,
    targets: dict[str, Targets],
    block: int,
    compute: Callable[[str, int, int], Arrays],
) -> dict[str, Arrays]:
    """Compute arrays for all targets of each kind, block by block, as ``in_blocks`` does."""
    return in_blocks(context, artifact, {kind: len(t.index) for kind, t in targets.items()}, block, compute)


def write_analysis(
    folder: Path,
    artifact: Artifact,
    targets: dict[str, Targets],
    found: dict[str, Arrays],
    common: Arrays,
    attributes: dict[str, Any],
) -> None:
    """Write the results of an analysis as one HDF5 file, with a group for each kind of targets.

    Parameters
    ----------
    folder
        Folder of the artifact.
    artifact
        The analysis.
    targets
        Targets of each kind: 'train' and the names of the classes.
    found
        Results for each kind of targets. The first axis of each array counts the targets.
    common
        Arrays that belong to all kinds of targets, such as the noise levels.
    attributes
        Attributes of the file, beside the address of the artifact.
    """
    arrays, described = dict(common), {"address": artifact.address, **attributes}
    for group, chosen in targets.items():
        arrays |= {f"{group}/target": chosen.index, f"{group}/cluster": chosen.cluster}
        arrays |= {f"{group}/{name}": array for name, array in found[group].items()}
        described |= {
            f"{group}/target@meaning": "number in S'; for 'train', row of the canonical dataset",
            f"{group}/cluster@meaning": "attractor of the sample; a negative number of its own where it has none",
        }
    write_h5(folder / artifact.file(), arrays, described, compress=True)
