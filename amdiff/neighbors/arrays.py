"""Turns arrays into sets of vectors that can be searched. Notebooks start here."""

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
    """Turn an array of images or of feature vectors into a set that can be searched by a metric.

    Parameters
    ----------
    images
        Images as uint8 (N, C, H, W), or as other numbers (N, C, H, W) together with ``range``. For the metric 'values',
        finite real numbers (N, ...), which are compared in float32.
    metric
        One of

        - 'pixels': Euclidean distance of images in [-1, 1];
        - 'values': Euclidean distance of the numbers as they are, for features;
        - a perceptual metric: 'lpips-alex', 'lpips-vgg', 'lpips-squeeze' or 'stlpips-alex';
        - your own ``Embedding``;
        - None, the default: 'pixels' for images and 'values' for anything else.
    range
        The two values that mean black and white, for images that are not uint8 in 0..255. It is required if
        their meaning is unclear: for floats (N, 1 or 3, H, W) without a ``metric``, and for uint8 (N, C, H, W) without
        a value above 1 unless the metric is 'values'. Default None.
    backbone
        A file with the weights of the network of an ``lpips-*`` metric, which replaces the download. Default None.
    device
        The torch device of a perceptual metric's network. Default 'cpu'.

    Returns
    -------
    Vectors
        The set, for ``nearest_neighbors`` and ``radius_pairs``.

    Raises
    ------
    ValueError
        If the metric cannot compare the array, the metric is unknown, or there are no weights for it.
    """
    array = np.asarray(images)
    if array.ndim < 2 or not array.size:
        raise AmdiffError(f"expected at least one image, as an array (N, ...), got an array of shape {array.shape}")
    if range is not None:
        array = _levels(array, range)
    pictures = array.dtype == np.uint8 and array.ndim == 4
    if pictures and range is None and metric != "values" and array.max() <= 1:
        raise AmdiffError(
            "the images are uint8 and no value exceeds 1, although 255 means white; state the values that mean black "
            "and white, as range=(0, 1)"
        )
    if metric is None and array.dtype.kind == "f" and array.ndim == 4 and array.shape[1] in (1, 3):
        raise AmdiffError(
            f"an array of {array.dtype} and shape {array.shape} may hold images: state the values that mean black and "
            "white, as range=(-1, 1) or range=(0, 1), or set metric='values' to compare the numbers as they are"
        )
    if metric is None:
        metric = FIRST if pictures else "values"
    embedding = metric if isinstance(metric, Embedding) else _embedding(metric, backbone, device)
    if embedding is VALUES:
        if array.dtype.kind not in "fiub":
            raise AmdiffError(f"expected real numbers, got an array of {array.dtype}")
        with np.errstate(over="ignore"):  # the next check finds what overflows
            array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise AmdiffError(
                "the array holds values that are NaN or infinite in float32; remove the rows that hold them"
            )
        if float(np.abs(array).max()) > LARGEST / array[0].size ** 0.5:
            raise AmdiffError(
                "the array holds values so large that their squares overflow; divide the arrays of all sets by the "
                "same number"
            )
    elif not pictures:
        raise AmdiffError(
            f"expected images as a uint8 array (N, C, H, W), got {array.dtype} of shape {array.shape}; state the "
            "values that mean black and white, as range=(-1, 1), or set metric='values' to compare the numbers "
            "as they are"
        )
    return embed_source(ArraySource(array), embedding)


def _levels(array: np.ndarray, black_white: tuple[float, float]) -> np.ndarray:
    """Convert images (N, C, H, W) of any numbers to uint8. Warns if the values do not fit the range well."""
    if array.ndim != 4:
        raise AmdiffError(
            f"range: applies only to images (N, C, H, W), got an array of shape {array.shape}; leave range out"
        )
    numbers = Numbers(black_white)
    levels = numbers.to_uint8(array)
    for remark in numbers.remarks():
        warnings.warn(remark, stacklevel=3)
    return levels


LARGEST = 1e18
"""Largest norm of a vector. Up to here, squared distances are far from overflowing float32."""


def embed_source(source: ImageSource, embedding: Embedding) -> Vectors:
    """Make the set of vectors of images that are read when needed.

    Vectors are kept in memory if a network makes them. All others are made again each time.
    """
    distinct = DistinctSet.of(source)
    store = MemoryStore(len(distinct.first), embedding.dimension(source.shape[1:])) if embedding.costly else None
    return Vectors(distinct, embedding, store)


@cache
def _embedding(metric: str, backbone: Path | str | None, device: str) -> Embedding:
    """Return the metric of a name.

    It is the same object each time, so two sets can be compared if their metrics are equal objects.
    """
    if metric == "values" and backbone is None:
        return VALUES
    return embedding_of(metric, network_weights(metric, backbone), device)


def network_weights(metric: str, backbone: Path | str | None = None) -> dict[str, Any]:
    """Return the tensors of a metric's network; empty for a metric without a network.

    ``backbone`` is as for ``embed``. Raises ``ValueError`` if the metric is unknown or takes no ``backbone``, or if
    there are no weights.
    """
    known = METRICS.get(metric)
    if known is None and metric != "values":
        raise AmdiffError(f"no metric {metric!r}; known: values, {', '.join(METRICS)}")
    if backbone is not None and (known is None or known.backbone is None):
        if known is None or not known.network:
            raise AmdiffError(f"backbone: got {backbone}, but the metric {metric!r} has no network; leave it out")
        takers = ", ".join(name for name, other in METRICS.items() if other.backbone)
        raise AmdiffError(f"backbone: the metric {metric!r} takes no backbone, leave it out; only these do: {takers}")
    return {} if known is None else weights_of(metric, None if backbone is None else Path(backbone))
