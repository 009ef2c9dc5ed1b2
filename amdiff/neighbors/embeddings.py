"""Metrics as embeddings: a metric is a function from images to vectors whose Euclidean distance gives it.

``distance = unit * |phi(x) - phi(y)|`` for a metric that is a norm (pixels), and
``unit * |phi(x) - phi(y)|^2`` for one that is a squared norm (LPIPS). So images pass the embedding one
by one, not pair by pair, and FAISS can search.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Num

from amdiff.catalogue.metrics import METRICS, Metric


@dataclass(frozen=True)
class Embedding:
    """A metric on images."""

    vectors: Callable[[Num[np.ndarray, "n ..."]], Float32[np.ndarray, "n d"]]
    """Images (n, C, H, W), uint8, to vectors; for ``VALUES`` arrays of any shape."""
    dimension: Callable[[tuple[int, ...]], int]
    """Length of the vectors for images of a shape."""
    unit: float
    """Factor from the vectors' distance (or its square) to the metric."""
    squared: bool
    """Whether the metric is the squared distance of the vectors."""
    label: str
    """Name and unit on the axes of figures."""
    costly: bool = False
    """Whether vectors are worth keeping: a network makes them."""

    @classmethod
    def of(
        cls,
        metric: Metric,
        vectors: Callable[[Num[np.ndarray, "n ..."]], Float32[np.ndarray, "n d"]],
        dimension: Callable[[tuple[int, ...]], int],
    ) -> Embedding:
        """The embedding of a metric that has a record."""
        return cls(vectors, dimension, metric.unit, metric.squared, metric.label, metric.network)

    def distance(self, squares: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
        """The metric from squared distances of vectors."""
        return np.asarray(self.unit * (squares if self.squared else np.sqrt(squares)))

    def squares(self, distance: float) -> float:
        """The squared distance of vectors from the metric."""
        value = distance / self.unit
        return value if self.squared else value * value


def _values(arrays: Num[np.ndarray, "n ..."]) -> Float32[np.ndarray, "n d"]:
    return arrays.reshape(len(arrays), -1).astype(np.float32)


VALUES = Embedding(
    vectors=_values,
    dimension=lambda shape: int(np.prod(shape)),
    unit=1.0,
    squared=False,
    label=r"$L_2$ distance",
)
"""Euclidean distance of the numbers as they are, in float32: for features of one's own."""


def embedding_of(metric: str, weights: Mapping[str, Any], device: Any) -> Embedding:
    """A metric by its name, from the weights of its network (none for a metric without one), on a torch device."""
    return _code(metric).embedding(METRICS[metric], weights, device)


def distance_of(metric: str, weights: Mapping[str, Any], device: Any) -> Callable[[Any, Any], Any]:
    """The distance of pairs of images in [-1, 1], torch tensors (n, C, H, W) each, by a metric's name.

    ``weights`` and ``device`` as for ``embedding_of``.
    """
    return _code(metric).pair_distance(METRICS[metric], weights, device)


def weights_of(metric: str, backbone: Path | None = None) -> dict[str, Any]:
    """Tensors of a metric's network; none where it has none.

    ``backbone`` is a file with the weights of torchvision's network, in place of a download. Raises ``DataError``.
    """
    return _code(metric).read_weights(METRICS[metric], backbone) if METRICS[metric].network else {}


def _code(metric: str) -> Any:
    return importlib.import_module(f"amdiff.neighbors.{METRICS[metric].module}")
