"""Metrics: the stage that gathers the weights of a perceptual one, and metrics as later stages need them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.config import BACKBONES
from amdiff.data.backbones import backbone_digest, metric_weights
from amdiff.data.images import DataError
from amdiff.files import write_bytes
from amdiff.leases import has_driver
from amdiff.neighbors.embeddings import EMBEDDINGS, Embedding
from amdiff.neighbors.sets import DistinctSet
from amdiff.neighbors.vectors import Vectors

from .context import Context, say
from .files import VectorFile
from .loading import WEIGHTS, choose_device


def metric(context: Context, artifact: Artifact, folder: Path) -> None:
    """Gather a perceptual metric's network and heads, once, as safetensors."""
    from safetensors.torch import save

    from amdiff.neighbors.perceptual import load_perceptual

    name = artifact.params["metric"]
    path = context.config.backbones.get(BACKBONES[name]) if name in BACKBONES else None
    if path is not None and backbone_digest(BACKBONES[name], path) != artifact.params["backbone"]:
        raise DataError(f"{path} has changed since this run started; run snakemake again")
    if path is not None:
        context.facts["path"] = str(path)
    network = load_perceptual(name, metric_weights(name, path))
    write_bytes(folder / WEIGHTS, save({k: v.contiguous() for k, v in network.state_dict().items()}))


def load_weights(context: Context, artifact: Artifact) -> dict[str, Any]:
    """Tensors of the metric that an artifact uses; none for pixels."""
    if "metric" not in artifact.parents:
        return {}
    from safetensors.torch import load_file

    return load_file(context.store.file(artifact.parent("metric"), WEIGHTS))


def load_metric(context: Context, artifact: Artifact, metric: str) -> Embedding:
    """The metric that an artifact compares images by, on the device of the configuration."""
    if metric == "pixels":
        return EMBEDDINGS[metric]({}, None)
    device = choose_device(context.runtime.device)
    context.facts["device"] = str(device)
    return EMBEDDINGS[metric](load_weights(context, artifact), device)


def as_vectors(context: Context, artifact: Artifact, embedding: Embedding, role: str, images: DistinctSet) -> Vectors:
    """Images as vectors; where a network makes them, each passes it once and lies in scratch until all is made.

    Without room for that, they are made again for every block.
    """
    if not embedding.costly or not len(images.first):
        return Vectors(images, embedding)
    folder = context.store.scratch(artifact)
    folder.mkdir(parents=True, exist_ok=True)
    count, dimension = len(images.first), embedding.dimension(images.source.shape[1:])
    try:
        if 4 * dimension * count > 0.9 * shutil.disk_usage(folder).free:
            raise OSError("too little is free")
        return Vectors(images, embedding, VectorFile(folder / f"{role}.f32", dimension, count))
    except OSError as error:
        say(f"{artifact.folder}: no room for {4 * dimension * count / 2**30:.1f} GiB of features ({error}); "
            "they are made again for every block, which is slower")  # fmt: skip
        return Vectors(images, embedding)


def search_device(context: Context) -> str:
    """Where a search runs: 'cuda' where there is a GPU and the configuration does not forbid it, else 'cpu'."""
    if context.runtime.device not in ("auto", "cuda") or not has_driver():
        return "cpu"  # and PyTorch is not imported
    return "cuda" if choose_device(context.runtime.device).type == "cuda" else "cpu"
