"""Arithmetic of one forward pass of a network on one image, from its settings alone: without torch, in no time.

A multiplication and an addition count two, as in ``torch.utils.flop_counter``; norms and activations count nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def forward_flops(denoiser: Mapping[str, Any], shape: tuple[int, ...]) -> float | None:
    """FLOPs of a network on one input of a shape, (C, H, W) or (d,); None where its settings do not tell."""
    kind = denoiser["kind"]
    if kind == "mlp":
        return _mlp(denoiser, math.prod(shape))
    if kind == "fourier-mlp":
        width, features = denoiser["width"], 2 * (denoiser["time_features"] // 2)
        d = math.prod(shape)
        return 2.0 * ((d + features) * width + 2 * denoiser["blocks"] * width**2 + width * d)
    if kind == "unet":
        return _unet(denoiser, shape)
    return None


def _mlp(denoiser: Mapping[str, Any], d: int) -> float:
    width, features = denoiser["width"], denoiser["time_features"]
    blocks = denoiser["blocks"] * (2 * width**2 + features * width)
    return 2.0 * (2 * features**2 + 2 * d * width + blocks)


def _unet(denoiser: Mapping[str, Any], shape: tuple[int, ...]) -> float:
    """DDPM's U-Net (Ho et al. 2020), as ``diffusers.UNet2DModel`` has it."""
    image, side = shape[0], shape[1]
    widths = [denoiser["width"] * m for m in denoiser["multipliers"]]
    embedded = 4 * widths[0]
    total = float(widths[0] * embedded + embedded**2)  # of the time

    def convolution(into: int, out: int, side: int, kernel: int = 3) -> float:
        return float(kernel**2 * into * out * side**2)

    def residual(into: int, out: int, side: int) -> float:
        shortcut = convolution(into, out, side, 1) if into != out else 0.0
        return convolution(into, out, side) + convolution(out, out, side) + shortcut + embedded * out

    def attention(width: int, side: int) -> float:
        return float(4 * width**2 * side**2 + 2 * width * side**4)

    total += convolution(image, widths[0], side) + convolution(widths[0], image, side)
    kept, here = [widths[0]], widths[0]
    for level, width in enumerate(widths):
        for _ in range(denoiser["blocks"]):
            total += residual(here, width, side)
            total += attention(width, side) if side in denoiser["attention_at"] else 0.0
            here = width
            kept.append(here)
        if level < len(widths) - 1:
            side //= 2
            total += convolution(here, here, side)
            kept.append(here)
    total += 2 * residual(here, here, side) + attention(here, side)
    for level, width in reversed(list(enumerate(widths))):
        for _ in range(denoiser["blocks"] + 1):
            total += residual(here + kept.pop(), width, side)
            total += attention(width, side) if side in denoiser["attention_at"] else 0.0
            here = width
        if level:
            side *= 2
            total += convolution(here, here, side)
    return 2.0 * total
