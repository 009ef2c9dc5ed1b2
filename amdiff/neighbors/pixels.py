"""The Euclidean distance of images in [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from amdiff.catalogue.metrics import METRICS, Metric

from .embeddings import Embedding


def _values(images: UInt8[np.ndarray, "n c h w"]) -> Float32[np.ndarray, "n d"]:
    """Return the pixel values 0..255. They are integers, so squared distances in float64 are exact."""
    return images.reshape(len(images), int(np.prod(images.shape[1:]))).astype(np.float32)


PIXELS = Embedding.of(METRICS["pixels"], _values, lambda shape: int(np.prod(shape)))
"""The metric 'pixels'. Vectors are pixel values 0..255; ``unit`` scales distances to those of images in [-1, 1]."""


def embedding(metric: Metric, weights: Mapping[str, Any], device: Any) -> Embedding:
    """Return ``PIXELS``. It is the same object each time, so two sets can be compared if their metrics are equal."""
    return PIXELS


def l2(x: Any, y: Any) -> Any:
    """Return the Euclidean distance of each pair, (n,), from two torch tensors (n, ...)."""
    return (x - y).flatten(1).norm(dim=1)


def pair_distance(metric: Metric, weights: Mapping[str, Any], device: Any) -> Callable[[Any, Any], Any]:
    """Return ``l2``."""
    return l2
