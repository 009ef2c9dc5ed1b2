"""LPIPS (Zhang et al. 2018) as a squared Euclidean distance between feature vectors.

With f_l the activations of a convolutional network after its l-th tapped layer, H_l x W_l positions each, and
w_l >= 0 one learned weight per channel (the "heads"),

    LPIPS(x, y) = sum_l 1/(H_l W_l) sum_positions sum_channels w_l (f_l(x)/|f_l(x)| - f_l(y)/|f_l(y)|)^2
                = |phi(x) - phi(y)|^2,    phi = concat_l sqrt(w_l / (H_l W_l)) f_l/|f_l|

So an image passes the network once, not once for each pair. The heads are those of version 0.1. Images with a side
below 32 pixels are enlarged to 32 (nearest-exact). A single channel is repeated to three.

The shift-tolerant variant (Ghildyal and Liu 2022) uses AlexNet's layers with stride 1 and blurred subsampling.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from amdiff.catalogue.metrics import METRICS, Metric
from amdiff.diffusion.sampling import from_uint8
from amdiff.errors import AmdiffError

from .embeddings import Embedding
from .weights import published_weights


class BlurPool(nn.Module):
    """Subsamples by 2 after a binomial blur of three taps, with two pixels of reflected border (Zhang 2019)."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
        taps = x.new_tensor([0.25, 0.5, 0.25])
        kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 3, 3)
        padded = nn.functional.pad(x, (2, 2, 2, 2), mode="reflect")
        return nn.functional.conv2d(padded, kernel, stride=2, groups=x.shape[1])


def _alexnet() -> nn.Sequential:
    from torchvision.models import alexnet

    return alexnet(weights=None).features


def _vgg16() -> nn.Sequential:
    from torchvision.models import vgg16

    return vgg16(weights=None, init_weights=False).features


def _squeezenet() -> nn.Sequential:
    from torchvision.models import squeezenet1_1

    return squeezenet1_1(weights=None).features


def _shift_tolerant_alexnet() -> nn.Sequential:
    """Build the layers with the numbers of the published weights; layers 1, 4 and 8 are blurred subsamplings."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, padding=2),
        BlurPool(),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=1),
        BlurPool(),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=1),
        BlurPool(),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    )


@dataclass(frozen=True)
class Architecture:
    """A network and its tapped layers."""

    build: Callable[[], nn.Sequential]
    taps: tuple[int, ...]
    """Numbers of the layers whose outputs are compared. Layers after the last of them are not used."""


ARCHITECTURES = {
    "lpips-alex": Architecture(_alexnet, (1, 4, 7, 9, 11)),
    "lpips-vgg": Architecture(_vgg16, (3, 8, 15, 22, 29)),
    "lpips-squeeze": Architecture(_squeezenet, (1, 4, 7, 9, 10, 11, 12)),
    "stlpips-alex": Architecture(_shift_tolerant_alexnet, (2, 6, 10, 12, 14)),
}
"""The network of each perceptual metric."""


class Perceptual(nn.Module):
    """The function phi, from images to feature vectors. Their squared distance is the metric."""

    def __init__(self, metric: str) -> None:
        """Build the network of a metric in ``ARCHITECTURES``, without weights: ``load_perceptual`` sets them."""
        super().__init__()
        architecture = ARCHITECTURES[metric]
        self.metric = METRICS[metric]
        self.taps = architecture.taps
        with torch.device("meta"):  # allocates nothing, because the weights come later
            self.features = architecture.build()[: self.taps[-1] + 1]
        for layer in self.features.modules():
            if isinstance(layer, nn.ReLU):
                layer.inplace = False
        self.heads = nn.ParameterList()
        self._dimensions: dict[tuple[int, ...], int] = {}
        # ImageNet's mean and spread, for images in [-1, 1]
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188])[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450])[:, None, None], persistent=False)
        self.shift: Tensor
        self.scale: Tensor

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float32[Tensor, "n d"]:
        """Return the vectors, float32 (n, d), of images (n, C, H, W) in [-1, 1].

        Raises ``ValueError`` if the images have neither 1 nor 3 channels.
        """
        if not self.metric.takes(images.shape[1]):
            raise AmdiffError(f"perceptual metrics need images of 1 or 3 channels, got {images.shape[1]}; use 'pixels'")
        height, width = images.shape[2:]
        least = self.metric.least_side
        if min(height, width) < least:
            size = (max(height, least), max(width, least))
            images = nn.functional.interpolate(images, size, mode="nearest-exact")
        h = (images.expand(-1, 3, -1, -1) - self.shift) / self.scale
        parts: list[Tensor] = []
        for number, layer in enumerate(self.features):
            h = layer(h)
            if number in self.taps:
                weight = self.heads[len(parts)]
                unit = h / (h.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
                parts.append((unit * (weight / math.prod(h.shape[2:])).sqrt()[:, None, None]).flatten(1))
        return torch.cat(parts, dim=1)

    def dimension(self, shape: tuple[int, ...]) -> int:
        """Return the length d of the vectors of images of shape (C, H, W)."""
        if shape not in self._dimensions:
            like = next(self.parameters())
            with torch.inference_mode():
                self._dimensions[shape] = self(torch.zeros((1, *shape), dtype=like.dtype, device=like.device)).shape[1]
        return self._dimensions[shape]

    def piece(self, shape: tuple[int, ...]) -> int:
        """Return how many images of shape (C, H, W) pass the network together.

        The memory for them is several times that of their vectors.
        """
        room = 2**31 if next(self.parameters()).device.type == "cuda" else 2**27
        return int(min(max(1, room // (4 * 8 * self.dimension(shape))), 2048))


def load_perceptual(metric: str, weights: Mapping[str, Float32[Tensor, "..."]]) -> Perceptual:
    """Build the network of a metric with the given tensors, named ``features.<layer>.*`` and ``heads.<tap>``.

    Other tensors are ignored. Raises ``ValueError`` if a tensor is missing or has the wrong shape, or if a head has
    negative values.
    """
    network = Perceptual(metric)
    count = len(network.taps)
    heads = [weights[name] for i in range(count) if (name := f"heads.{i}") in weights]
    if len(heads) < count or any((h < 0).any() for h in heads):
        raise AmdiffError(f"{metric}: expected the tensors heads.0 to heads.{count - 1}, without negative values")
    network.heads = nn.ParameterList([nn.Parameter(h, requires_grad=False) for h in heads])
    try:
        network.load_state_dict({k: t for k, t in weights.items() if k in network.state_dict()}, assign=True)
    except RuntimeError as error:
        raise AmdiffError(f"these are not the weights of {metric}: {' '.join(str(error).split())}") from None
    return network.eval().requires_grad_(False)


def read_weights(metric: Metric, backbone: Path | None = None) -> dict[str, Tensor]:
    """Read and check the tensors that a metric's network needs.

    ``backbone`` is the ``path`` of ``published_weights``. Raises ``DataError`` if there are no weights, and
    ``ValueError`` if they do not fit the network.
    """
    network = load_perceptual(metric.name, published_weights(metric, backbone))
    return {name: tensor.contiguous() for name, tensor in network.state_dict().items()}


def embedding(metric: Metric, weights: Mapping[str, Tensor], device: torch.device | str) -> Embedding:
    """Return the embedding of a perceptual metric, whose network runs on a torch device."""
    network = load_perceptual(metric.name, weights).to(device).to(memory_format=torch.channels_last)  # faster pooling
    return Embedding.of(metric, partial(_vectors, network), network.dimension)


def _vectors(network: Perceptual, images: UInt8[np.ndarray, "n c h w"]) -> Float32[np.ndarray, "n d"]:
    """Return the vectors of images. A few images pass at a time, because activations are larger than vectors."""
    device = next(network.parameters()).device
    out = np.empty((len(images), network.dimension(images.shape[1:])), np.float32)
    piece = network.piece(images.shape[1:])
    with torch.inference_mode():
        for start in range(0, len(images), piece):
            part = torch.from_numpy(np.ascontiguousarray(images[start : start + piece]))
            out[start : start + piece] = network(from_uint8(part.to(device))).cpu().numpy()
    return out


def pair_distance(
    metric: Metric, weights: Mapping[str, Tensor], device: torch.device | str
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function that computes the metric for pairs of images in [-1, 1], from two tensors (n, C, H, W)."""
    return squared_distance(load_perceptual(metric.name, weights).to(device))


def squared_distance(network: Perceptual) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function that computes the metric for pairs of images in [-1, 1], from two tensors (n, C, H, W)."""

    def distance(x: Float[Tensor, "n c h w"], y: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        size = network.piece(tuple(x.shape[1:]))
        with torch.inference_mode():
            parts = zip(x.float().split(size), y.float().split(size), strict=True)
            return torch.cat([(network(a) - network(b)).square().sum(dim=1) for a, b in parts])

    return distance
