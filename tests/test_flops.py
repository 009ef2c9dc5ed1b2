"""Arithmetic of networks, by their settings, is what torch counts when they run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from amdiff.plan.flops import forward_flops
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from amdiff.config import FourierMlpDenoiser, MlpDenoiser, UnetDenoiser
from amdiff.diffusion.fourier import FourierMlp
from amdiff.diffusion.mlp import Mlp
from amdiff.diffusion.unet import Unet


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
    net: Any
    if isinstance(spec, MlpDenoiser):
        net = Mlp(spec, shape, 1000, generator)
    elif isinstance(spec, FourierMlpDenoiser):
        net = FourierMlp(spec, shape, generator)
    else:
        net = Unet(spec, shape, generator)
    x, t = torch.zeros(2, *shape), torch.zeros(2, dtype=torch.float32 if len(shape) == 1 else torch.long)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        net(x, t)
    assert forward_flops(spec.model_dump(), shape) == pytest.approx(counter.get_total_flops() / 2, rel=1e-9)


def test_of_others_networks_settings_tell_nothing() -> None:
    assert forward_flops({"kind": "pretrained"}, (3, 32, 32)) is None
