"""The U-Net of DDPM (Ho et al. 2020, appendix B), built from ``diffusers.UNet2DModel``.

diffusers' defaults differ from DDPM in a few constants and in the initialisation. Both are set here. So the number of
parameters is exactly the paper's, and the untrained network returns zero.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from amdiff.config import UnetDenoiser

from .pretrained import DDPM


class Unet(nn.Module):
    """Predicts the noise by a convolutional U-Net."""

    def __init__(self, spec: UnetDenoiser, shape: tuple[int, ...], levels: int, generator: torch.Generator) -> None:
        super().__init__()
        from diffusers import UNet2DModel

        channels, side = shape[0], shape[1]
        depth = len(spec.multipliers)
        sides = [side]
        for _ in range(depth - 1):
            sides.append(sides[-1] // 2)
        attends = [s in spec.attention_at for s in sides]
        factory: Any = UNet2DModel  # diffusers types it as a plain class
        self.net: nn.Module = factory(
            sample_size=side,
            in_channels=channels,
            out_channels=channels,
            block_out_channels=tuple(spec.width * m for m in spec.multipliers),
            layers_per_block=spec.blocks,
            down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
            up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
            norm_num_groups=spec.norm_groups,
            dropout=spec.dropout,
            **DDPM,
        )
        initialise(self, generator)

    def forward(self, x: Float[Tensor, "n c h w"], t: Num[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
        return self.net(x, t, return_dict=False)[0]


def initialise(net: nn.Module, generator: torch.Generator) -> None:
    """Initialise the weights as DDPM does: uniform variance scaling by fan_avg, with biases 0.

    The scale is

    - 0.1 for the queries, keys and values of attention and for 1x1 shortcuts,
    - 0 for the last convolution of each residual branch, the output of attention and the final convolution,
    - 1 for everything else.
    """
    for name, module in net.named_modules():
        if not isinstance(module, (nn.Conv2d, nn.Linear)):
            continue
        last = name.rsplit(".", 1)[-1]
        if last in ("conv2", "conv_out") or name.endswith("to_out.0"):
            scale = 0.0
        elif last in ("to_q", "to_k", "to_v", "conv_shortcut"):
            scale = 0.1
        else:
            scale = 1.0
        receptive = math.prod(module.weight.shape[2:])
        fan_avg = (module.weight.shape[0] + module.weight.shape[1]) * receptive / 2
        bound = math.sqrt(3 * scale / fan_avg)
        nn.init.uniform_(module.weight, -bound, bound, generator=generator)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
