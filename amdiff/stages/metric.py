"""Collects the network of a metric in one file."""

from __future__ import annotations

from pathlib import Path

from amdiff.artifacts import Artifact
from amdiff.config import METRICS
from amdiff.errors import DataError
from amdiff.files import write_bytes
from amdiff.neighbors.embeddings import weights_of
from amdiff.neighbors.weights import backbone_digest

from .context import Context


def metric(context: Context, artifact: Artifact, folder: Path) -> None:
    """Write the network and the heads of a metric as one safetensors file."""
    from safetensors.torch import save

    name = artifact.params["metric"]
    backbone = METRICS[name].backbone
    path = None if backbone is None else context.config.backbones.get(backbone)
    if backbone is not None and path is not None:
        if backbone_digest(backbone, path) != artifact.params["backbone"]:
            raise DataError(f"{path} has changed since this run started; run snakemake again")
        context.facts["path"] = str(path)
    write_bytes(folder / artifact.file(), save(weights_of(name, path)))
