"""Arithmetic of networks, by their settings, is what torch counts when they run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from amdiff.config import FourierMlpDenoiser, MlpDenoiser, PretrainedDenoiser, UnetDenoiser
from amdiff.diffusion.denoisers import build_network


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (MlpDenoiser(kind="mlp", width=70, blocks=3, time_features=32), (1, 8, 8)),
        (FourierMlpDenoiser(kind="fourier-mlp", width=24, blocks=3, time_features=8), (2,)),
        (UnetDenoiser(kind="unet", width=16, multipliers=(1, 2, 2), attention_at=(8,), norm_groups=8), (3, 16, 16)),
        (UnetDenoiser(kind="unet", width=8, multipliers=(1, 1), blocks=1, attention_at=(), norm_groups=4), (1, 12, 12)),
    ],
)
def test_flops_of_a_forward_pass(spec: Any, shape: tuple[int, ...]) -> None:
    generator = torch.Generator()
    net = build_network(spec, shape, 1000, generator)
    x, t = torch.zeros(2, *shape), torch.zeros(2, dtype=torch.float32 if len(shape) == 1 else torch.long)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        net(x, t)
    assert spec.flops(shape) == pytest.approx(counter.get_total_flops() / 2, rel=1e-9)


def test_others_networks_count_as_ddpms_own() -> None:
    """Their settings do not tell; sides are rounded up to what it takes."""
    theirs = PretrainedDenoiser(kind="pretrained", path="x")
    assert theirs.flops((3, 32, 32)) == UnetDenoiser(kind="unet").flops((3, 32, 32))
    assert theirs.flops((1, 28, 28)) == UnetDenoiser(kind="unet").flops((1, 32, 32))
