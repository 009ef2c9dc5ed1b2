"""Metrics as embeddings: a function phi takes images to vectors, and their Euclidean distance gives the metric.

The metric is ``unit * |phi(x) - phi(y)|`` if it is a norm (pixels), and ``unit * |phi(x) - phi(y)|^2`` if it is a
squared norm (LPIPS). So each image is embedded once, not once for each pair, and FAISS can search the vectors.
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
    """A metric on images, defined by a function phi that takes images to vectors.

    The distance of two images is ``unit * |phi(x) - phi(y)|``, or ``unit * |phi(x) - phi(y)|^2`` if ``squared``. Make
    one to compare uint8 images by your own function phi. Two sets can be compared only if their embeddings are equal,
    so use the same object for both.
    """

    vectors: Callable[[Num[np.ndarray, "n ..."]], Float32[np.ndarray, "n d"]]
    """The function phi: from images, uint8 (n, C, H, W), to vectors, float32 (n, d)."""
    dimension: Callable[[tuple[int, ...]], int]
    """The length d of the vectors, from the shape (C, H, W) of an image."""
    unit: float
    """The factor that takes the distance of vectors (or its square) to the metric."""
    squared: bool
    """Whether the metric is the squared distance of the vectors."""
    label: str
    """Name of the metric, with its unit, on the axes of figures."""
    costly: bool = False
    """Whether vectors are expensive to make, as by a network, so that they are kept. Default False."""

    @classmethod
    def of(
        cls,
        metric: Metric,
        vectors: Callable[[Num[np.ndarray, "n ..."]], Float32[np.ndarray, "n d"]],
        dimension: Callable[[tuple[int, ...]], int],
    ) -> Embedding:
        """Make the embedding of a metric in the catalogue ``METRICS``."""
        return cls(vectors, dimension, metric.unit, metric.squared, metric.label, metric.network)

    def distance(self, squares: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
        """Return the metric from squared distances of vectors, elementwise."""
        return np.asarray(self.unit * (squares if self.squared else np.sqrt(squares)))

    def squares(self, distance: float) -> float:
        """Return the squared distance of vectors at which the metric is ``distance``."""
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
"""Euclidean distance of the numbers as they are, in float32, for arrays of any shape: the metric for features."""


def embedding_of(metric: str, weights: Mapping[str, Any], device: Any) -> Embedding:
    """Return the embedding of a metric by its name.

    ``weights`` are the tensors of its network, empty for a metric without one. ``device`` is its torch device.
    """
    return _code(metric).embedding(METRICS[metric], weights, device)


def distance_of(metric: str, weights: Mapping[str, Any], device: Any) -> Callable[[Any, Any], Any]:
    """Return the function that computes a metric for pairs of images.

    The function takes two torch tensors (n, C, H, W) in [-1, 1] and returns the n distances. ``weights`` and ``device``
    are as for ``embedding_of``.
    """
    return _code(metric).pair_distance(METRICS[metric], weights, device)


def weights_of(metric: str, backbone: Path | None = None) -> dict[str, Any]:
    """Return the tensors of a metric's network; empty for a metric without a network.

    ``backbone`` is a file with the weights of torchvision's network, which replaces the download. Raises ``DataError``
    if there are no weights.
    """
    return _code(metric).read_weights(METRICS[metric], backbone) if METRICS[metric].network else {}


def _code(metric: str) -> Any:
    return importlib.import_module(f"amdiff.neighbors.{METRICS[metric].module}")
