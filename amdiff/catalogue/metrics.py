"""The metrics, each described by one record.

A metric compares two images by their vectors phi. Its distance is ``unit * |phi(x) - phi(y)|``, or with ``squared`` the
square of the norm times ``unit``. The module ``amdiff.neighbors.<module>`` makes the vectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

Backbone = Literal["alex", "vgg", "squeeze"]

BACKBONE_FILES: dict[Backbone, str] = {
    "alex": "alexnet-owt-7be5be79.pth",
    "vgg": "vgg16-397923af.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
}
"""torchvision's files. Each name ends in the first digits of the file's SHA-256."""


def official_digest(backbone: Backbone) -> str:
    """The first digits of the SHA-256 of torchvision's file."""
    return BACKBONE_FILES[backbone].removesuffix(".pth").rsplit("-", 1)[1]


@dataclass(frozen=True)
class Metric:
    """A metric between images."""

    name: str
    label: str
    """Name and unit on the axes of figures, with formulas in matplotlib's notation."""
    title: str
    """Name in sentences and menus."""
    module: str
    """Module of ``amdiff.neighbors`` with ``embedding`` and ``pair_distance``, and with ``read_weights`` for a
    network."""
    units: str
    """Name of the units. Distances of metrics with the same units can be compared with each other."""
    squared: bool = False
    """Whether the distance is the squared distance of the vectors."""
    unit: float = 1.0
    """Factor by which the distance of the vectors, or its square, is multiplied."""
    channels: tuple[int, ...] | None = None
    """Numbers of channels that an image may have; None for any number."""
    least_side: int = 1
    """Smallest side, in pixels. Smaller images are enlarged to it."""
    network: bool = False
    """Whether a network makes the vectors. Its weights are then an artifact, and its vectors are kept."""
    backbone: Backbone | None = None
    """The network of torchvision that it uses; None if it uses none."""
    features: float | None = None
    """Approximate length of a vector per pixel; None if the vector holds the values of the pixels themselves."""

    def takes(self, channels: int) -> bool:
        """Whether it can compare images with this number of channels."""
        return self.channels is None or channels in self.channels

    def length(self, shape: tuple[int, ...]) -> float:
        """Approximate length of the vector of an image of shape (C, H, W)."""
        return float(math.prod(shape) if self.features is None else self.features * math.prod(shape[1:]))


def _lpips(name: str, network: str, backbone: Backbone | None, title: str = "LPIPS") -> Metric:
    label = f"{title} ({network})"
    return Metric(
        name, label, label, "perceptual", units="LPIPS", squared=True, channels=(1, 3), least_side=32, network=True,
        backbone=backbone, features=8,
    )  # fmt: skip


METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            "pixels", r"$L_2$ distance of images in $[-1, 1]$", "pixels (L2)", "pixels", units="pixels", unit=2 / 255
        ),
        _lpips("lpips-alex", "AlexNet", "alex"),
        _lpips("lpips-vgg", "VGG-16", "vgg"),
        _lpips("lpips-squeeze", "SqueezeNet", "squeeze"),
        _lpips("stlpips-alex", "AlexNet", None, "ST-LPIPS"),
    )
}
"""Every metric, by name."""

FIRST = next(iter(METRICS))
"""The metric that is used if none is named. It needs no network."""

if TYPE_CHECKING:
    MetricName = str
else:
    MetricName = Literal[tuple(METRICS)]
    """Name of a metric."""
