"""Images as vectors of a metric, for the stages that search for neighbours.

If a network makes the vectors, each image passes it only once. A stage keeps its vectors in its own scratch folder.
When it ends, it leaves those that later stages need in the shared folder of features, and the last of these stages
removes them. If the vectors find no room or are lost, they are made again.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from amdiff.artifacts import Artifact
from amdiff.catalogue import STAGES
from amdiff.config import METRICS
from amdiff.errors import ArtifactError
from amdiff.files import read_json, sha256_file, write_json
from amdiff.leases import has_driver
from amdiff.neighbors.embeddings import Embedding, embedding_of
from amdiff.neighbors.sets import DistinctSet, ImageSource, Selection
from amdiff.neighbors.vectors import Vectors

from .console import say
from .context import Context
from .features import features_folder, find_room, readers
from .loading import choose_device
from .vector_file import VectorFile

FREE = 0.9
"""Largest share of the free disk space that vectors may take."""


def load_weights(context: Context, artifact: Artifact) -> dict[str, Any]:
    """Load the tensors of the metric that an artifact uses. A metric without a network has none."""
    if "metric" not in artifact.parents:
        return {}
    from safetensors.torch import load_file

    return load_file(context.store.file(artifact.parent("metric")))


def load_metric(context: Context, artifact: Artifact, metric: str) -> Embedding:
    """Load the metric that an artifact uses to compare images, on the device of the configuration."""
    if not METRICS[metric].network:
        return embedding_of(metric, {}, None)
    device = choose_device(context.runtime.device)
    context.facts["device"] = str(device)
    return embedding_of(metric, load_weights(context, artifact), device)


class Embedded:
    """The sets of images behind a table of neighbours, as vectors."""

    def __init__(self, context: Context, artifact: Artifact, metric: str) -> None:
        """``artifact`` is the table of neighbours, or an artifact that is made from it."""
        self.context, self.artifact = context, artifact
        self.table = artifact.parents.get("neighbors", (artifact,))[0]
        self.embedding = load_metric(context, artifact, metric)
        self._files: dict[str, tuple[Vectors, VectorFile]] = {}

    def __call__(self, role: str, source: ImageSource) -> Vectors:
        """Vectors of the images in ``source``. Their ``role`` is 'samples', 'train' or 'heldout'."""
        images, embedding = DistinctSet.of(source), self.embedding
        if not embedding.costly or not len(images.first):
            return Vectors(images, embedding)
        count, dimension = images.distinct, embedding.dimension(source.shape[1:])
        kept = _kept(features_folder(self.context.store, self.table) / f"{role}.f32", [count, dimension])
        if kept is not None:
            return Vectors(images, embedding, kept, stored=count)
        folder = self.context.store.scratch(self.artifact)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if 4 * dimension * count > FREE * shutil.disk_usage(folder).free:
                raise OSError("too little free space")
            file = VectorFile(folder / f"{role}.f32", dimension, count)
        except OSError as error:
            say(f"{self.artifact.folder}: no room for {4 * dimension * count / 2**30:.1f} GiB of features ({error}); "
                "they are computed again for every block, which is slower")  # fmt: skip
            return Vectors(images, embedding)
        found = Vectors(images, embedding, file)
        self._files[role] = found, file
        return found

    def part(self, whole: Vectors, rows: slice | Int64[np.ndarray, " m"]) -> Vectors:
        """Vectors of some images of a set, taken from those of the whole set if these are kept."""
        numbers = np.arange(whole.images.size)[rows]
        images = DistinctSet.of(Selection(whole.images.source, numbers))
        if not self.embedding.costly or not len(images.first):
            return Vectors(images, self.embedding)
        part = _Part(whole, whole.images.group[numbers[images.first]])
        return Vectors(images, self.embedding, part, stored=len(images.first))

    def keep(self) -> None:
        """Keep complete vectors that later stages need, as far as ``runtime.features_gib`` gives room."""
        if not self._files:
            return
        store, plan = self.context.store, self.context.plan
        waiting = [a for a in readers(plan, self.table) if a != self.artifact and not store.complete(a)]
        wanted = {role for artifact in waiting for role in STAGES[artifact.stage].rereads}
        folder = features_folder(store, self.table)
        for role, (vectors, file) in self._files.items():
            if role not in wanted or not vectors.whole:
                continue
            with contextlib.suppress(OSError):  # vectors that cannot be kept are made again
                if find_room(store, plan, file.path.stat().st_size, self.context.runtime.features_gib):
                    about = {"shape": [vectors.count, vectors.dimension], "sha256": sha256_file(file.path)}
                    folder.mkdir(parents=True, exist_ok=True)
                    file.path.replace(folder / f"{role}.f32")
                    write_json(folder / f"{role}.json", about)


def _kept(path: Path, shape: list[int]) -> VectorFile | None:
    """A file of vectors that another stage has left; None if there is none, or if it is incomplete or damaged."""
    try:
        about, file = read_json(path.with_suffix(".json")), VectorFile.there(path, shape[1])
        return file if about["shape"] == shape and about["sha256"] == sha256_file(path) else None
    except (ArtifactError, OSError, KeyError, TypeError):
        return None


class _Part:
    """Some of the vectors of another set; ``rows`` are their numbers there."""

    def __init__(self, whole: Vectors, rows: np.ndarray) -> None:
        self._whole, self._rows = whole, rows

    def write(self, start: int, vectors: np.ndarray) -> None:
        """Not implemented: all vectors exist already."""
        raise NotImplementedError

    def read(self, start: int, stop: int) -> np.ndarray:
        """Vectors [start, stop)."""
        return self._whole.at(self._rows[start:stop])


def search_device(context: Context) -> str:
    """Device of a search: 'cuda' if there is a GPU and the configuration allows it, else 'cpu'."""
    if context.runtime.device not in ("auto", "cuda") or not has_driver():
        return "cpu"  # without an import of PyTorch
    return "cuda" if choose_device(context.runtime.device).type == "cuda" else "cpu"
