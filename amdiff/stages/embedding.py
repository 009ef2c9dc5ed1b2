"""Images as vectors of a metric, as the stages that search need them.

Where a network makes the vectors, each image passes it once. Its vectors lie in scratch, in a folder of the table of
neighbours that they were first made for: ``neighbors`` leaves them there for ``classify`` and ``peers``, and the last
of these removes them. Without room, or where they are gone, they are made again.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from amdiff.artifacts import Artifact
from amdiff.config import METRICS
from amdiff.errors import ArtifactError
from amdiff.files import read_json, sha256_file, write_json
from amdiff.leases import has_driver
from amdiff.neighbors.embeddings import Embedding, embedding_of
from amdiff.neighbors.sets import DistinctSet, ImageSource, Selection
from amdiff.neighbors.vectors import Vectors

from .console import say
from .context import Context
from .features import features_folder, readers
from .loading import choose_device
from .vector_file import VectorFile

READ = {"classify": ("samples",), "peers": ("samples", "train", "heldout")}
"""The sets of images that a stage searches again."""

FREE = 0.9
"""Share of the free disk that vectors may take."""


def load_weights(context: Context, artifact: Artifact) -> dict[str, Any]:
    """Tensors of the metric that an artifact uses; none for a metric without a network."""
    if "metric" not in artifact.parents:
        return {}
    from safetensors.torch import load_file

    return load_file(context.store.file(artifact.parent("metric")))


def load_metric(context: Context, artifact: Artifact, metric: str) -> Embedding:
    """The metric that an artifact compares images by, on the device of the configuration."""
    if not METRICS[metric].network:
        return embedding_of(metric, {}, None)
    device = choose_device(context.runtime.device)
    context.facts["device"] = str(device)
    return embedding_of(metric, load_weights(context, artifact), device)


class Embedded:
    """The sets of images that a table of neighbours is about, as vectors."""

    def __init__(self, context: Context, artifact: Artifact, metric: str) -> None:
        """``artifact`` is the table, or what is made from it."""
        self.context, self.artifact = context, artifact
        self.table = artifact.parents.get("neighbors", (artifact,))[0]
        self.embedding = load_metric(context, artifact, metric)
        self._files: dict[str, tuple[Vectors, VectorFile]] = {}

    def __call__(self, role: str, source: ImageSource) -> Vectors:
        """The images of one role: 'samples', 'train' or 'heldout'."""
        images, embedding = DistinctSet.of(source), self.embedding
        if not embedding.costly or not len(images.first):
            return Vectors(images, embedding)
        folder = features_folder(self.context.store, self.table)
        count, dimension = len(images.first), embedding.dimension(source.shape[1:])
        kept = folder / f"{role}.f32"
        if _kept(kept, [count, dimension]):
            return Vectors(images, embedding, VectorFile.there(kept, dimension), stored=count)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if 4 * dimension * count > FREE * shutil.disk_usage(folder).free:
                raise OSError("too little is free")
            file = VectorFile(folder / f"{role}-{self.artifact.address}.f32", dimension, count)
        except OSError as error:
            say(f"{self.artifact.folder}: no room for {4 * dimension * count / 2**30:.1f} GiB of features ({error}); "
                "they are made again for every block, which is slower")  # fmt: skip
            return Vectors(images, embedding)
        found = Vectors(images, embedding, file)
        self._files[role] = found, file
        return found

    def part(self, whole: Vectors, rows: slice | Int64[np.ndarray, " m"]) -> Vectors:
        """Some images of a set that is there already: none of them passes the network again."""
        numbers = np.arange(whole.images.size)[rows]
        images = DistinctSet.of(Selection(whole.images.source, numbers))
        if not self.embedding.costly or not len(images.first):
            return Vectors(images, self.embedding)
        part = _Part(whole, whole.images.group[numbers[images.first]])
        return Vectors(images, self.embedding, part, stored=len(images.first))

    def keep(self) -> None:
        """Leave vectors that are whole to the stages that need them, as far as the configuration gives them room."""
        waiting = {a.stage for a in readers(self.context.plan, self.table) if not self.context.store.complete(a)}
        wanted = {role for stage, roles in READ.items() if stage in waiting - {self.artifact.stage} for role in roles}
        room = self.context.runtime.features_gib * 2**30
        kept = sum(path.stat().st_size for path in self.context.store.features().rglob("*.f32"))
        for role, (vectors, file) in self._files.items():
            if role not in wanted or not vectors.whole or kept > room:
                file.path.unlink(missing_ok=True)
                continue
            place = file.path.with_name(f"{role}.f32")
            about = {"shape": [vectors.count, vectors.dimension], "sha256": sha256_file(file.path)}
            with contextlib.suppress(OSError):  # what is not kept is made again
                file.path.replace(place)
                write_json(place.with_suffix(".json"), about)


def _kept(path: Path, shape: list[int]) -> bool:
    """Whether a file of vectors is there, whole and undamaged."""
    try:
        about = read_json(path.with_suffix(".json"))
        return about["shape"] == shape and about["sha256"] == sha256_file(path)
    except (ArtifactError, OSError, KeyError, TypeError):
        return False


class _Part:
    """Vectors that are some of another set's, in increasing order."""

    def __init__(self, whole: Vectors, rows: np.ndarray) -> None:
        self._whole, self._rows = whole, rows

    def write(self, start: int, vectors: np.ndarray) -> None:
        """Nothing is left to write."""
        raise NotImplementedError

    def read(self, start: int, stop: int) -> np.ndarray:
        """Vectors [start, stop)."""
        rows = self._rows[start:stop]
        low, high = int(rows.min()), int(rows.max()) + 1
        return self._whole.rows(low, high)[rows - low]


def search_device(context: Context) -> str:
    """Where a search runs: 'cuda' where there is a GPU and the configuration does not forbid it, else 'cpu'."""
    if context.runtime.device not in ("auto", "cuda") or not has_driver():
        return "cpu"  # and PyTorch is not imported
    return "cuda" if choose_device(context.runtime.device).type == "cuda" else "cpu"
