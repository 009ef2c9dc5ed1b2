"""From arrays to sets of vectors that can be searched: the way in for notebooks."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from amdiff.catalogue.metrics import FIRST, METRICS
from amdiff.errors import AmdiffError
from amdiff.levels import Numbers

from .embeddings import VALUES, Embedding, embedding_of, weights_of
from .sets import ArraySource, DistinctSet, ImageSource
from .vectors import MemoryStore, Vectors


def embed(
    images: Any,
    metric: str | Embedding | None = None,
    *,
    range: tuple[float, float] | None = None,
    backbone: Path | str | None = None,
    device: str = "cpu",
) -> Vectors:
    """A set of images, or of feature vectors, by a metric.

    ``images`` are uint8 (N, C, H, W), or for the metric 'values' finite numbers (N, ...), compared in float32.
    ``range`` are the values that mean black and white of images (N, C, H, W) that are other numbers; it is needed where
    an array may be images, and may not: floats of 1 or 3 channels, uint8 that do not exceed 1. ``metric`` is 'pixels',
    'values', the name of a perceptual one ('lpips-alex', 'lpips-vgg', 'lpips-squeeze', 'stlpips-alex'), or an
    ``Embedding`` of one's own; None means 'pixels' for images and 'values' for anything else. ``backbone`` is a file
    with the weights of the network of an ``lpips-*`` metric, in place of a download, ``device`` the torch device of a
    network. Raises ``ValueError`` for arrays that the metric cannot compare.
    """
    array = np.asarray(images)
    if array.ndim < 2 or not array.size:
        raise AmdiffError(f"expected at least one image, as an array (N, ...), got an array of shape {array.shape}")
    if range is not None:
        array = _levels(array, range)
    pictures = array.dtype == np.uint8 and array.ndim == 4
    if pictures and range is None and metric != "values" and array.max() <= 1:
        raise AmdiffError(
            "the images are uint8 and none exceeds 1, where 255 means white; state the values that mean black and "
            "white, as range=(0, 1)"
        )
    if metric is None and array.dtype.kind == "f" and array.ndim == 4 and array.shape[1] in (1, 3):
        raise AmdiffError(
            f"an array of {array.dtype} and shape {array.shape} may hold images: state the values that mean black and "
            "white, as range=(-1, 1) or range=(0, 1), or compare the numbers as they are by metric='values'"
        )
    if metric is None:
        metric = FIRST if pictures else "values"
    embedding = metric if isinstance(metric, Embedding) else _embedding(metric, backbone, device)
    if embedding is VALUES:
        if array.dtype.kind not in "fiub":
            raise AmdiffError(f"expected real numbers, got an array of {array.dtype}")
        with np.errstate(over="ignore"):  # found below
            array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise AmdiffError("the array holds values that are NaN or infinite in float32; leave them out")
        if float(np.abs(array).max()) > LARGEST / array[0].size ** 0.5:
            raise AmdiffError(
                "the array holds values so large that their squares overflow; divide all sets by a number"
            )
    elif not pictures:
        raise AmdiffError(
            f"images are uint8 arrays (N, C, H, W), got {array.dtype} of shape {array.shape}; state the values that "
            "mean black and white, as range=(-1, 1), or compare numbers as they are by metric='values'"
        )
    return embed_source(ArraySource(array), embedding)


def _levels(array: np.ndarray, black_white: tuple[float, float]) -> np.ndarray:
    """Images (N, C, H, W) of numbers as uint8; warns of what does not fit the range well."""
    if array.ndim != 4:
        raise AmdiffError(f"range: is for images (N, C, H, W), got an array of shape {array.shape}; leave it out")
    numbers = Numbers(black_white)
    levels = numbers.to_uint8(array)
    for remark in numbers.remarks():
        warnings.warn(remark, stacklevel=3)
    return levels


LARGEST = 1e18
"""Norm of a vector up to which squared distances are far from overflowing float32."""


def embed_source(source: ImageSource, embedding: Embedding) -> Vectors:
    """Images that are read when needed, by a metric; vectors that a network makes are kept in memory."""
    distinct = DistinctSet.of(source)
    store = MemoryStore(len(distinct.first), embedding.dimension(source.shape[1:])) if embedding.costly else None
    return Vectors(distinct, embedding, store)


@cache
def _embedding(metric: str, backbone: Path | str | None, device: str) -> Embedding:
    """A metric by name: the same object each time, so that sets are known to be of one metric."""
    if metric == "values" and backbone is None:
        return VALUES
    return embedding_of(metric, network_weights(metric, backbone), device)


def network_weights(metric: str, backbone: Path | str | None = None) -> dict[str, Any]:
    """Tensors of a metric's network; ``backbone`` as for ``embed``. Raises ``ValueError``."""
    known = METRICS.get(metric)
    if known is None and metric != "values":
        raise AmdiffError(f"no metric {metric!r}; known: values, {', '.join(METRICS)}")
    if backbone is not None and (known is None or known.backbone is None):
        if known is None or not known.network:
            raise AmdiffError(f"backbone: got {backbone}, but the metric {metric!r} has no network; leave it out")
        takers = ", ".join(name for name, other in METRICS.items() if other.backbone)
        raise AmdiffError(f"backbone: {metric!r} takes none; it is for {takers}")
    return weights_of(metric, None if backbone is None else Path(backbone))
