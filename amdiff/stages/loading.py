"""Models as later stages need them: trained weights or closed forms, on the device that the configuration names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from amdiff.artifacts import FILES, Artifact
from amdiff.config import DenoiserSpec, DiffusionSpec, FourierMlpDenoiser
from amdiff.data.subsets import circle_subset, heldout_subset, training_subset
from amdiff.diffusion.schedules import Schedule, VarianceExploding
from amdiff.files import ArtifactError

from .context import Context, threads
from .convert import converted
from .files import IMAGES, dataset_counts, dataset_images, read_h5

WEIGHTS, METRICS = FILES["train"]


def training_images(context: Context, artifact: Artifact) -> np.ndarray:
    """The K training images, uint8, of an artifact that has ``size`` and ``subset_seed``."""
    source = artifact.parent("dataset")
    return dataset_images(context.store, source).rows(training_rows(context, artifact))


def training_rows(context: Context, artifact: Artifact) -> np.ndarray:
    """Rows of the canonical dataset that hold the K training images, in the order of the permutation."""
    count, _ = dataset_counts(context.store, artifact.parent("dataset"))
    return training_subset(count, artifact.params["size"], artifact.params["subset_seed"])


def training_points(context: Context, artifact: Artifact) -> np.ndarray:
    """The K training points of the toy model, float32 (K, 2)."""
    (points,) = read_h5(context.store.file(artifact.parent("dataset"), IMAGES), "points")
    return points[circle_subset(len(points), artifact.params["size"], artifact.params["subset_seed"])]


def process_of(params: Mapping[str, Any]) -> Schedule | VarianceExploding:
    """The forward process of an artifact."""
    if params["diffusion"].get("kind") == "ve":
        return VarianceExploding(params["diffusion"]["sigma"])
    return Schedule.of(DiffusionSpec.model_validate(params["diffusion"]))


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
        raise RuntimeError(f"runtime.device is {wanted!r}, which this machine lacks; use 'auto' or 'cpu'")
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
    closed_form = artifact.params["denoiser"]["kind"] == "exact"
    return choose_device("cpu" if closed_form else context.runtime.device, double=double)


def untrained_network(params: Mapping[str, Any], shape: tuple[int, ...], generator: Any) -> Any:
    """The network of an artifact, for images (C, H, W) or points (2,), before training."""
    from amdiff.diffusion.denoisers import build_network

    process = process_of(params)
    levels = len(process) if isinstance(process, Schedule) else 1
    return build_network(denoiser_spec(params["denoiser"]), shape, levels, generator)


def denoiser_spec(params: dict[str, Any]) -> Any:
    """The denoiser's specification from the plain data of an artifact."""
    spec: Any = FourierMlpDenoiser if params["kind"] == "fourier-mlp" else DenoiserSpec
    return TypeAdapter(spec).validate_python(params)


def load_denoiser(context: Context, artifact: Artifact, shape: tuple[int, ...], device: Any) -> Any:
    """The denoiser that a sample artifact (or an analysis) uses: trained weights, or a closed form."""
    import torch
    from safetensors.torch import load_file

    from amdiff.diffusion.exact import FiniteSet, Gaussian
    from amdiff.diffusion.sampling import from_uint8

    params = artifact.params
    process = process_of(params)
    if params["denoiser"]["kind"] == "pretrained" and isinstance(process, Schedule):
        return converted(context, artifact.parent("convert"), process).to(device)
    spec = denoiser_spec(params["denoiser"])
    if spec.kind == "exact" and isinstance(process, VarianceExploding):
        return FiniteSet(torch.from_numpy(training_points(context, artifact)).to(device), process)
    if spec.kind == "exact":
        images = from_uint8(torch.from_numpy(_memories(context, artifact, spec.memories))).to(device)
        return Gaussian.fitted(images, process) if spec.memories == "gaussian" else FiniteSet(images, process)
    path = context.store.file(artifact.parent("train"), WEIGHTS)
    network = untrained_network(params, shape, torch.Generator())
    try:
        network.load_state_dict(load_file(path))
    except Exception as error:  # safetensors raises its own types
        raise ArtifactError(f"{path} does not hold the weights of this network ({error})") from None
    return network.to(device).eval().requires_grad_(False)


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
        raise ValueError(f"K = {size}: 'memories: heldout' needs {size} held-out images, there are {len(rows)}")
    return images.rows(rows)
