"""Weights in DDPM's layout give the same outputs in our U-Net as in DDPM's."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from amdiff.config import UnetDenoiser
from amdiff.diffusion.ddpm_layout import from_ddpm
from amdiff.diffusion.pretrained import from_checkpoint
from amdiff.diffusion.unet import Unet
from tests.diffusion.ddpm import Ddpm

CASES: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "as for MNIST": ((1, 28), {"width": 32, "multipliers": (1, 2, 2), "blocks": 2, "at": 16, "groups": 32}),
    "as for CIFAR10": ((3, 32), {"width": 32, "multipliers": (1, 2, 2, 2), "blocks": 2, "at": 16, "groups": 32}),
    "as for LSUN": ((3, 64), {"width": 32, "multipliers": (1, 1, 2, 2, 4, 4), "blocks": 2, "at": 16, "groups": 32}),
    "one block": ((3, 16), {"width": 16, "multipliers": (1, 2), "blocks": 1, "at": 8, "groups": 8}),
}


@pytest.mark.parametrize("case", CASES)
def test_outputs_are_ddpms(case: str) -> None:
    (channels, side), options = CASES[case]
    theirs = Ddpm(channels=channels, side=side, **options).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(0, 0.05)
    spec = UnetDenoiser(
        kind="unet",
        width=options["width"],
        multipliers=options["multipliers"],
        blocks=options["blocks"],
        attention_at=(options["at"],),
        norm_groups=options["groups"],
        dropout=0.1,
    )
    ours = Unet(spec, (channels, side, side), 1000, torch.Generator()).eval()
    ours.net.load_state_dict(from_ddpm(theirs.state_dict()))
    x, t = torch.randn(2, channels, side, side), torch.tensor([3, 871])
    with torch.no_grad():
        expected = theirs(x, t)
        assert torch.allclose(ours(x, t), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_a_checkpoint_that_is_not_whole_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the checkpoint lacks the tensor 'conv_in\.weight'; it is incomplete"):
        from_checkpoint({"down.0.block.0.conv1.weight": torch.zeros(4, 4, 3, 3)}, 4)


@pytest.mark.parametrize(
    "name", ["down.0.block.0.conv3.weight", "head.weight", "mid.block_3.conv1.bias", "conv_in.scale"]
)
def test_foreign_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is not a tensor of DDPM's U-Net"):
        from_ddpm({name: torch.zeros(1)})
