"""Networks: parameter counts, DDPM's initialisation, shapes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from amdiff.config import MlpDenoiser, UnetDenoiser
from amdiff.diffusion.denoisers import build_network, count_parameters
from amdiff.diffusion.mlp import sinusoidal


@pytest.mark.parametrize(
    ("options", "shape", "expected"),
    [
        ({"width": 128, "multipliers": (1, 2, 2)}, (1, 28, 28), 24_515_585),
        ({"width": 64}, (3, 32, 32), 8_952_067),
        ({"width": 96}, (3, 32, 32), 20_118_915),
        ({"width": 128}, (3, 32, 32), 35_746_307),
        ({"width": 64, "multipliers": (1, 1, 2, 2, 4, 4)}, (3, 64, 64), 27_460_355),
        ({"width": 96, "multipliers": (1, 1, 2, 2, 4, 4)}, (3, 64, 64), 61_745_283),
        ({"width": 128, "multipliers": (1, 1, 2, 2, 4, 4)}, (3, 64, 64), 109_733_379),
    ],
)
def test_unets_have_the_papers_parameters(options: dict[str, Any], shape: tuple[int, ...], expected: int) -> None:
    assert count_parameters(UnetDenoiser(kind="unet", **options), shape, 1000) == expected


SMALL_UNET = UnetDenoiser(kind="unet", width=16, multipliers=(1, 2), attention_at=(8,), norm_groups=8, dropout=0.0)


def test_an_untrained_unet_returns_zero_and_has_ddpms_variances() -> None:
    network = build_network(SMALL_UNET, (3, 16, 16), 1000, torch.Generator().manual_seed(0))
    x = torch.randn(2, 3, 16, 16)
    assert network(x, torch.tensor([3, 900])).abs().max() == 0
    scales = {}
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            fan_out = module.weight.shape[0] * module.weight[0, 0].numel()
            scales[name] = float(module.weight.detach().pow(2).mean()) * (fan_in + fan_out) / 2
            assert module.bias is None or module.bias.abs().max() == 0
    zero = {n for n, s in scales.items() if s == 0}
    assert zero == {n for n in scales if n.endswith(("conv2", "conv_out", "to_out.0"))}
    for name, scale in scales.items():
        if name not in zero:
            small = name.endswith(("to_q", "to_k", "to_v", "conv_shortcut"))
            assert scale == pytest.approx(0.1 if small else 1.0, rel=0.2), name


def test_the_same_seed_gives_the_same_network() -> None:
    for spec in (SMALL_UNET, MlpDenoiser(kind="mlp", width=8)):
        a, b = (build_network(spec, (1, 8, 8), 100, torch.Generator().manual_seed(3)) for _ in range(2))
        assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_an_mlp_has_the_tried_recipes_parameters() -> None:
    spec = MlpDenoiser(kind="mlp", width=96, blocks=2, time_features=128)
    assert count_parameters(spec, (1, 8, 8), 1000) == 108_064


def test_an_mlp_sees_the_time() -> None:
    network = build_network(MlpDenoiser(kind="mlp", width=8), (1, 4, 4), 10, torch.Generator().manual_seed(0))
    x = torch.randn(1, 1, 4, 4).expand(10, 1, 4, 4)
    out = network(x, torch.arange(10))
    assert out.shape == (10, 1, 4, 4)
    assert len({tuple(row) for row in out.flatten(1).tolist()}) == 10


def test_the_time_embedding() -> None:
    e = sinusoidal(torch.tensor([0, 1]), 8)
    assert torch.allclose(e[0], torch.tensor([0.0] * 4 + [1.0] * 4))
    frequencies = torch.tensor([1.0, 1e4 ** (-1 / 3), 1e4 ** (-2 / 3), 1e-4])
    assert torch.allclose(e[1], torch.cat([frequencies.sin(), frequencies.cos()]))


def test_images_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 2, got 15"):
        build_network(SMALL_UNET, (1, 15, 15), 10, torch.Generator())
    with pytest.raises(ValueError, match="square images"):
        build_network(SMALL_UNET, (1, 16, 8), 10, torch.Generator())
