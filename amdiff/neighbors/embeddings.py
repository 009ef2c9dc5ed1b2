"""Metrics as embeddings: a metric is a function from images to vectors whose Euclidean distance gives it.

``distance = unit * |phi(x) - phi(y)|`` for a metric that is a norm (pixels), and
``unit * |phi(x) - phi(y)|^2`` for one that is a squared norm (LPIPS). So images pass the embedding one
by one, not pair by pair, and FAISS can search.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Float64, Num, UInt8

if TYPE_CHECKING:
    from .perceptual import Perceptual


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

    def distance(self, squares: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
        """The metric from squared distances of vectors."""
        return np.asarray(self.unit * (squares if self.squared else np.sqrt(squares)))

    def squares(self, distance: float) -> float:
        """The squared distance of vectors from the metric."""
        value = distance / self.unit
        return value if self.squared else value * value


LABELS = {
    "pixels": r"$L_2$ distance of images in $[-1, 1]$",
    "lpips-alex": "LPIPS (AlexNet)",
    "lpips-vgg": "LPIPS (VGG-16)",
    "lpips-squeeze": "LPIPS (SqueezeNet)",
    "stlpips-alex": "ST-LPIPS (AlexNet)",
}
"""Every metric, as the axes of figures name it."""

SQUARED = LABELS.keys() - {"pixels"}
"""Metrics that are squared distances of vectors."""


def _pixel_values(images: UInt8[np.ndarray, "n c h w"]) -> Float32[np.ndarray, "n d"]:
    """The pixel values 0..255 themselves: integers, so that float64 distances are exact."""
    return images.reshape(len(images), int(np.prod(images.shape[1:]))).astype(np.float32)


PIXELS = Embedding(
    vectors=_pixel_values,
    dimension=lambda shape: int(np.prod(shape)),
    unit=2 / 255,
    squared=False,
    label=LABELS["pixels"],
)
"""Euclidean distance of images in [-1, 1]."""


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


def perceptual(metric: str, weights: Mapping[str, Any], device: Any) -> Embedding:
    """A perceptual metric through its network (``perceptual.Perceptual``) on a torch device."""
    import torch

    from .perceptual import load_perceptual

    network = load_perceptual(metric, weights).to(device).to(memory_format=torch.channels_last)  # pools faster
    return Embedding(
        vectors=partial(_network_vectors, network),
        dimension=network.dimension,
        unit=1.0,
        squared=True,
        label=LABELS[metric],
        costly=True,
    )


def _network_vectors(network: Perceptual, images: UInt8[np.ndarray, "n c h w"]) -> Float32[np.ndarray, "n d"]:
    """Vectors of images, some at a time: activations are larger than vectors."""
    import torch

    from amdiff.diffusion.sampling import from_uint8

    device = next(network.parameters()).device
    out = np.empty((len(images), network.dimension(images.shape[1:])), np.float32)
    piece = network.piece(images.shape[1:])
    with torch.inference_mode():
        for start in range(0, len(images), piece):
            part = torch.from_numpy(np.ascontiguousarray(images[start : start + piece]))
            out[start : start + piece] = network(from_uint8(part.to(device))).cpu().numpy()
    return out


EMBEDDINGS: dict[str, Callable[[Mapping[str, Any], Any], Embedding]] = {
    "pixels": lambda weights, device: PIXELS,
    **{metric: partial(perceptual, metric) for metric in LABELS if metric != "pixels"},
}
"""Metrics by name: a function of the weights of its network (none for pixels) and of a torch device."""
