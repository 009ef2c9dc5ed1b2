"""Loads models for later stages: trained weights or closed forms, on the device that the configuration names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import DENOISERS, ExactDenoiser, Network, PretrainedDenoiser, denoiser_of
from amdiff.data.subsets import circle_subset
from amdiff.diffusion.processes import Schedule, process_of
from amdiff.errors import AmdiffError, ArtifactError

from .context import Context, threads
from .convert import converted
from .hdf5 import read_h5
from .stored_images import dataset_counts, dataset_images
from .subsets import heldout_rows, training_rows


def training_data(context: Context, artifact: Artifact) -> np.ndarray:
    """The K training images, uint8 (K, C, H, W), or the K training points on the circle, float32 (K, 2).

    The process of the artifact decides which of them it has.
    """
    points = not isinstance(process_of(artifact.params["diffusion"]), Schedule)
    return training_points(context, artifact) if points else training_images(context, artifact)


def training_images(context: Context, artifact: Artifact) -> np.ndarray:
    """The K training images, uint8 (K, C, H, W), of an artifact with the parameters ``size`` and ``subset_seed``."""
    source = artifact.parent("dataset")
    return dataset_images(context.store, source).rows(training_rows(context, artifact))


def training_points(context: Context, artifact: Artifact) -> np.ndarray:
    """The K training points on the circle, float32 (K, 2)."""
    (points,) = read_h5(context.store.file(artifact.parent("dataset")), "points")
    return points[circle_subset(len(points), artifact.params["size"], artifact.params["subset_seed"])]


def choose_device(wanted: str, precision: str = "float32", *, training: bool = False, double: bool = False) -> Any:
    """Choose a torch device, and set the precision and the number of threads of torch.

    CUDA then computes the same bits on every run.

    Parameters
    ----------
    wanted
        'auto', 'cuda', 'mps' or 'cpu'.
    precision
        Precision of the computation. CUDA rounds products of float32 only for 'tfloat32'. Default 'float32'.
    training
        The computation needs gradients. Default False.
    double
        The computation needs double precision. The CPU then replaces MPS, which has none. Default False.

    Raises
    ------
    AmdiffError
        If this machine lacks the device.
    """
    import torch

    # by default CUDA rounds to 10 bits in convolutions, which changes the distance of two near copies by percents
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tfloat32"
    torch.set_num_threads(threads())
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        wanted = next(name for name, ok in there.items() if ok)
    if double and wanted == "mps":
        wanted = "cpu"
    if not there[wanted]:
        raise AmdiffError(f"runtime.device is {wanted!r}, which this machine lacks; use 'auto' or 'cpu'")
    if wanted == "cuda":
        _compute_reproducibly(training)
    return torch.device(wanted)


def _compute_reproducibly(training: bool) -> None:
    """Make CUDA sum in a fixed order. By default the order varies, above all for gradients."""
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    torch.backends.cudnn.deterministic = True
    if training:  # only where it is needed, since it imports torch's compiler
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def fast_denoiser(context: Context, artifact: Artifact, shape: tuple[int, ...], *, double: bool = False) -> Any:
    """Load the denoiser of an artifact, ready for many evaluations in the precision that the artifact names.

    Returns the denoiser and its device. Closed forms run on the CPU. If ``double`` is set, the device can compute in
    double precision. ``shape`` and errors are those of ``load_denoiser``.
    """
    from amdiff.diffusion.fast import fast

    runtime, params = context.runtime, artifact.params
    precision = params.get("analysis", params.get("sampling", {})).get("precision", "float32")
    runs = DENOISERS[params["denoiser"]["kind"]].runs
    device = choose_device(runtime.device if runs else "cpu", precision, double=double)
    context.facts["device"] = str(device)
    denoiser = fast(
        load_denoiser(context, artifact, shape, device),
        device,
        precision=precision,
        compile=runtime.compile,
        graphs=runtime.graphs,
        tell=context.falls_back,
    )
    return denoiser, device


def untrained_network(params: Mapping[str, Any], shape: tuple[int, ...], generator: Any) -> Any:
    """Build the network of an artifact before training, for images of shape (C, H, W) or points of shape (2,)."""
    from amdiff.diffusion.denoisers import build_network

    spec = denoiser_of(params)
    assert isinstance(spec, Network)
    return build_network(spec, shape, process_of(params["diffusion"]).count, generator)


def load_denoiser(context: Context, artifact: Artifact, shape: tuple[int, ...], device: Any) -> Any:
    """Load the denoiser of a ``sample`` artifact or an analysis: a trained or converted network, or a closed form.

    ``shape`` is the shape of an image (C, H, W) or of a point (2,). Raises ``ArtifactError`` if stored weights do not
    fit the network.
    """
    spec = denoiser_of(artifact.params)
    if isinstance(spec, Network):
        found = _trained(context, artifact, shape)
    elif isinstance(spec, PretrainedDenoiser):
        found = converted(context, artifact.parent("convert"), process_of(artifact.params["diffusion"]))
    else:
        assert isinstance(spec, ExactDenoiser)
        return _closed_form(context, artifact, spec.memories, device)
    return found.to(device).eval().requires_grad_(False)


def _trained(context: Context, artifact: Artifact, shape: tuple[int, ...]) -> Any:
    import torch
    from safetensors.torch import load_file

    path = context.store.file(artifact.parent("train"), "weights")
    network = untrained_network(artifact.params, shape, torch.Generator())
    try:
        network.load_state_dict(load_file(path))
    except Exception as error:  # safetensors raises its own types
        raise ArtifactError(f"{path} does not hold the weights of this network ({error})") from None
    return network


def _closed_form(context: Context, artifact: Artifact, memories: str, device: Any) -> Any:
    import torch

    from amdiff.diffusion.exact import FiniteSet, Gaussian
    from amdiff.diffusion.sampling import from_uint8

    process = process_of(artifact.params["diffusion"])
    if not isinstance(process, Schedule):
        return FiniteSet(torch.from_numpy(training_points(context, artifact)).to(device), process)
    images = from_uint8(torch.from_numpy(_memories(context, artifact, memories))).to(device)
    return Gaussian.fitted(images, process) if memories == "gaussian" else FiniteSet(images, process)


def _memories(context: Context, artifact: Artifact, kind: str) -> np.ndarray:
    if kind == "train":
        return training_images(context, artifact)
    source = artifact.parent("dataset")
    count, _ = dataset_counts(context.store, source)
    images = dataset_images(context.store, source)
    if kind == "gaussian":
        return images.rows(np.arange(count))
    size = artifact.params["size"]
    rows = heldout_rows(context, artifact, size)
    if len(rows) < size:
        raise AmdiffError(
            f"K = {size}: 'memories: heldout' needs {size} held-out images, but there are {len(rows)}; use a smaller K"
        )
    return images.rows(rows)
