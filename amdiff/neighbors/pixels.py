"""The Euclidean distance of images in [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from amdiff.catalogue.metrics import METRICS, Metric

from .embeddings import Embedding


def _values(images: UInt8[np.ndarray, "n c h w"]) -> Float32[np.ndarray, "n d"]:
    """The pixel values 0..255 themselves: integers, so that float64 distances are exact."""
    return images.reshape(len(images), int(np.prod(images.shape[1:]))).astype(np.float32)


PIXELS = Embedding.of(METRICS["pixels"], _values, lambda shape: int(np.prod(shape)))
"""Vectors are pixel values 0..255; the unit makes them those of images in [-1, 1]."""


def embedding(metric: Metric, weights: Mapping[str, Any], device: Any) -> Embedding:
    """The same object each time, so that sets are known to be of one metric."""
    return PIXELS


def l2(x: Any, y: Any) -> Any:
    """Euclidean distance (n,) of each pair of torch tensors (n, ...)."""
    return (x - y).flatten(1).norm(dim=1)


def pair_distance(metric: Metric, weights: Mapping[str, Any], device: Any) -> Callable[[Any, Any], Any]:
    """``l2``."""
    return l2
