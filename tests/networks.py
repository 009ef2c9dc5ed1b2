"""Networks for tests whose output says something: an untrained U-Net returns 0."""

from __future__ import annotations

import torch
from torch import nn


def perturbed(network: nn.Module, scale: float) -> nn.Module:
    """The network, in evaluation mode and without gradients, after seeded noise was added to its weights in place."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += scale * torch.randn(parameter.shape, generator=generator)
    return network.eval().requires_grad_(False)
