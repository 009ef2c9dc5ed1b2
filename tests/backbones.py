"""Seeded random networks in place of those that were trained on ImageNet, which only a download brings."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from amdiff.neighbors.perceptual import ARCHITECTURES


def random_features(metric: str, seed: int = 0) -> dict[str, Tensor]:
    """A state dict of a metric's network, as torchvision names its tensors."""
    network = ARCHITECTURES[metric].build()
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, tensor in network.state_dict().items():
        spread = (2 / max(1, tensor[0].numel())) ** 0.5 if tensor.ndim > 1 else 0.1
        found[f"features.{name}"] = spread * torch.randn(tensor.shape, generator=generator)
    return found


def save_backbone(path: Path, metric: str, seed: int = 0) -> Path:
    """A file as torchvision's: features, and a classifier that is not needed."""
    torch.save({**random_features(metric, seed), "classifier.1.weight": torch.zeros(2, 2)}, path)
    return path
