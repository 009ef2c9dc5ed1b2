"""Metrics as embeddings: a metric is a function from images to vectors whose Euclidean distance gives it.

``distance = unit * |phi(x) - phi(y)|`` for a metric that is a norm (pixels), and
``unit * |phi(x) - phi(y)|^2`` for one that is a squared norm (LPIPS). So images pass the embedding one
by one, not pair by pair, and FAISS can search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, UInt8


@dataclass(frozen=True)
class Embedding:
    """A metric on images."""

    vectors: Callable[[UInt8[np.ndarray, "n c h w"]], Float32[np.ndarray, "n d"]]
    """Images to vectors."""
    dimension: Callable[[tuple[int, ...]], int]
    """Length of the vectors for images of shape (C, H, W)."""
    unit: float
    """Factor from the vectors' distance (or its square) to the metric."""
    squared: bool
    """Whether the metric is the squared distance of the vectors."""
    label: str
    """Name and unit on the axes of figures."""

    def distance(self, squares: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
        """The metric from squared distances of vectors."""
        return np.asarray(self.unit * (squares if self.squared else np.sqrt(squares)))

    def squares(self, distance: float) -> float:
        """The squared distance of vectors from the metric."""
        value = distance / self.unit
        return value if self.squared else value * value


def _pixels(images: UInt8[np.ndarray, "n c h w"]) -> Float32[np.ndarray, "n d"]:
    """The pixel values 0..255 themselves: integers, so that float64 distances are exact."""
    return images.reshape(len(images), int(np.prod(images.shape[1:]))).astype(np.float32)


EMBEDDINGS: dict[str, Embedding] = {
    "pixels": Embedding(
        vectors=_pixels,
        dimension=lambda shape: int(np.prod(shape)),
        unit=2 / 255,
        squared=False,
        label=r"$L_2$ distance of images in $[-1, 1]$",
    ),
}
