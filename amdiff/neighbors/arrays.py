"""From arrays to sets of vectors that can be searched: the way in for notebooks."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .embeddings import EMBEDDINGS, PIXELS, VALUES, Embedding
from .sets import ArraySource, DistinctSet, ImageSource
from .vectors import MemoryStore, Vectors


def embed(
    images: Any, metric: str | Embedding | None = None, *, backbone: Path | None = None, device: str = "cpu"
) -> Vectors:
    """A set of images, or of feature vectors, by a metric.

    ``images`` are uint8 (N, C, H, W), or for the metric 'values' finite numbers (N, ...), compared in float32.
    ``metric`` is 'pixels', 'values', the name of a perceptual one ('lpips-alex', 'lpips-vgg', 'lpips-squeeze',
    'stlpips-alex'), or an ``Embedding`` of one's own; None means 'pixels' for uint8 images and 'values' for anything
    else. ``backbone`` is a file with the weights of LPIPS's network, in place of a download, ``device`` the torch
    device of a network. Raises ``ValueError`` for arrays that the metric cannot compare.
    """
    array = np.asarray(images)
    if array.ndim < 2 or not len(array):
        raise ValueError(f"expected at least one image, as an array (N, ...), got an array of shape {array.shape}")
    pictures = array.dtype == np.uint8 and array.ndim == 4
    if metric is None:
        metric = "pixels" if pictures else "values"
    embedding = metric if isinstance(metric, Embedding) else _embedding(metric, backbone, device)
    if embedding is VALUES:
        if array.dtype.kind not in "fiub":
            raise ValueError(f"expected real numbers, got an array of {array.dtype}")
        with np.errstate(over="ignore"):  # found below
            array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise ValueError("the array holds values that are NaN or infinite in float32; leave them out")
    elif not pictures:
        raise ValueError(
            f"images are uint8 arrays (N, C, H, W), got {array.dtype} of shape {array.shape}; convert images x in "
            "[-1, 1] by ((x + 1) * 127.5).round().astype('uint8'), or compare numbers as they are by metric='values'"
        )
    return embed_source(ArraySource(array), embedding)


def embed_source(source: ImageSource, embedding: Embedding) -> Vectors:
    """Images that are read when needed, by a metric; vectors that a network makes are kept in memory."""
    distinct = DistinctSet.of(source)
    store = MemoryStore(len(distinct.first), embedding.dimension(source.shape[1:])) if embedding.costly else None
    return Vectors(distinct, embedding, store)


@cache
def _embedding(metric: str, backbone: Path | None, device: str) -> Embedding:
    """A metric by name: the same object each time, so that sets are known to be of one metric."""
    if metric in ("values", "pixels"):
        return VALUES if metric == "values" else PIXELS
    if metric not in EMBEDDINGS:
        raise ValueError(f"no metric {metric!r}; known: values, {', '.join(EMBEDDINGS)}")
    from amdiff.data.backbones import metric_weights

    return EMBEDDINGS[metric](metric_weights(metric, backbone), device)
