"""Models as later stages need them: trained weights or closed forms, on the device that the configuration names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import DENOISERS, ExactDenoiser, Network, PretrainedDenoiser, denoiser_of
from amdiff.data.subsets import circle_subset, heldout_subset, training_subset
from amdiff.diffusion.processes import Schedule, process_of
from amdiff.errors import AmdiffError, ArtifactError

from .context import Context, threads
from .convert import converted
from .hdf5 import read_h5
from .stored_images import dataset_counts, dataset_images


def training_data(context: Context, artifact: Artifact) -> np.ndarray:
    """The K training images, uint8, or the K training points, float32, as the artifact's process has them."""
    points = not isinstance(process_of(artifact.params["diffusion"]), Schedule)
    return training_points(context, artifact) if points else training_images(context, artifact)


def training_images(context: Context, artifact: Artifact) -> np.ndarray:
    """The K training images, uint8, of an artifact that has ``size`` and ``subset_seed``."""
    source = artifact.parent("dataset")
    return dataset_images(context.store, source).rows(training_rows(context, artifact))


def training_rows(context: Context, artifact: Artifact) -> np.ndarray:
    """Rows of the canonical dataset that hold the K training images, in the order of the permutation."""
    count, _ = dataset_counts(context.store, artifact.parent("dataset"))
    return training_subset(count, artifact.params["size"], artifact.params["subset_seed"])


def training_points(context: Context, artifact: Artifact) -> np.ndarray:
    """The K training points on the circle, float32 (K, 2)."""
    (points,) = read_h5(context.store.file(artifact.parent("dataset")), "points")
    return points[circle_subset(len(points), artifact.params["size"], artifact.params["subset_seed"])]


def choose_device(wanted: str, training: str | None = None, *, double: bool = False) -> Any:
    """The torch device of the configuration, float32 in full but for a ``training`` of precision 'tfloat32'.

    CUDA computes the same bits on every run. For what is computed in ``double`` precision the CPU takes the place of
    MPS, which has none. Raises ``RuntimeError`` where the device is not there.
    """
    import torch

    # CUDA's default for convolutions rounds to 10 bits, percents of the distance between two near copies
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = training == "tfloat32"
    torch.set_num_threads(threads())
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        wanted = next(name for name, ok in there.items() if ok)
    if double and wanted == "mps":
        wanted = "cpu"
    if not there[wanted]:
        raise AmdiffError(f"runtime.device is {wanted!r}, which this machine lacks; use 'auto' or 'cpu'")
    if wanted == "cuda":
        _compute_reproducibly(training is not None)
    return torch.device(wanted)


def _compute_reproducibly(training: bool) -> None:
    """Let CUDA sum in one order, as by default it does not, gradients above all."""
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    torch.backends.cudnn.deterministic = True
    if training:  # imports torch's compiler, so not for nothing
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def denoiser_device(context: Context, artifact: Artifact, *, double: bool = False) -> Any:
    """Where an artifact's denoiser runs, if need be in ``double`` precision: closed forms on the CPU."""
    runs = DENOISERS[artifact.params["denoiser"]["kind"]].runs
    return choose_device(context.runtime.device if runs else "cpu", double=double)


def untrained_network(params: Mapping[str, Any], shape: tuple[int, ...], generator: Any) -> Any:
    """The network of an artifact, for images (C, H, W) or points (2,), before training."""
    from amdiff.diffusion.denoisers import build_network

    spec = denoiser_of(params)
    assert isinstance(spec, Network)
    return build_network(spec, shape, process_of(params["diffusion"]).count, generator)


def load_denoiser(context: Context, artifact: Artifact, shape: tuple[int, ...], device: Any) -> Any:
    """The denoiser that a sample artifact (or an analysis) uses: trained weights, or a closed form."""
    from amdiff.diffusion.fast import fast

    spec = denoiser_of(artifact.params)
    if isinstance(spec, Network):
        found = _trained(context, artifact, shape)
    elif isinstance(spec, PretrainedDenoiser):
        found = converted(context, artifact.parent("convert"), process_of(artifact.params["diffusion"]))
    else:
        assert isinstance(spec, ExactDenoiser)
        return _closed_form(context, artifact, spec.memories, device)
    return fast(found.to(device).eval().requires_grad_(False), compile=context.runtime.compile)


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
    count, test = dataset_counts(context.store, source)
    images = dataset_images(context.store, source)
    if kind == "gaussian":
        return images.rows(np.arange(count))
    size = artifact.params["size"]
    rows = heldout_subset(count, test, size, artifact.params["subset_seed"], size)
    if len(rows) < size:
        raise AmdiffError(f"K = {size}: 'memories: heldout' needs {size} held-out images, there are {len(rows)}")
    return images.rows(rows)
