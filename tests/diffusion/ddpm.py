"""DDPM's U-Net written down from the paper and its published code's layout, to compare with."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


def norm(channels: int, groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups, channels, eps=1e-6)


class Residual(nn.Module):
    def __init__(self, before: int, after: int, time: int, groups: int) -> None:
        super().__init__()
        self.norm1 = norm(before, groups)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.temb_proj = nn.Linear(time, after)
        self.norm2 = norm(after, groups)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        if before != after:
            self.nin_shortcut = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = self.conv1(nn.functional.silu(self.norm1(x)))
        h = h + self.temb_proj(nn.functional.silu(t))[:, :, None, None]
        h = self.conv2(nn.functional.silu(self.norm2(h)))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class Attention(nn.Module):
    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = norm(channels, groups)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (layer(h).flatten(2) for layer in (self.q, self.k, self.v))
        weight = torch.softmax(torch.einsum("ncq,nck->nqk", q, k) / math.sqrt(x.shape[1]), dim=2)
        return x + self.proj_out(torch.einsum("nqk,nck->ncq", weight, v).reshape(x.shape))


class Resampling(nn.Module):
    def __init__(self, channels: int, up: bool) -> None:
        super().__init__()
        self.up = up
        self.conv = nn.Conv2d(channels, channels, 3, stride=1 if up else 2, padding=1 if up else 0)

    def forward(self, x: Tensor) -> Tensor:
        if self.up:
            return self.conv(nn.functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv(nn.functional.pad(x, (0, 1, 0, 1)))


def level(blocks: list[nn.Module], attentions: list[nn.Module]) -> nn.Module:
    found = nn.Module()
    found.block, found.attn = nn.ModuleList(blocks), nn.ModuleList(attentions)
    return found


class Ddpm(nn.Module):
    def __init__(
        self, *, channels: int, side: int, width: int, multipliers: tuple[int, ...], blocks: int, at: int, groups: int
    ) -> None:
        super().__init__()
        self.width, time = width, 4 * width
        self.temb = nn.Module()
        self.temb.dense = nn.ModuleList([nn.Linear(width, time), nn.Linear(time, time)])
        self.conv_in = nn.Conv2d(channels, width, 3, padding=1)
        widths, sides = [width * m for m in multipliers], [side // 2**i for i in range(len(multipliers))]

        def attend(i: int, count: int) -> list[nn.Module]:
            return [Attention(widths[i], groups) for _ in range(count if sides[i] == at else 0)]

        self.down, kept, now = nn.ModuleList(), [width], width
        for i, out in enumerate(widths):
            residuals: list[nn.Module] = []
            for _ in range(blocks):
                residuals.append(Residual(now, out, time, groups))
                now = out
                kept.append(now)
            part: Any = level(residuals, attend(i, blocks))
            if i < len(widths) - 1:
                part.downsample = Resampling(now, up=False)
                kept.append(now)
            self.down.append(part)
        self.mid = nn.Module()
        self.mid.block_1, self.mid.attn_1 = Residual(now, now, time, groups), Attention(now, groups)
        self.mid.block_2 = Residual(now, now, time, groups)
        ups: list[nn.Module] = []
        for i in reversed(range(len(widths))):
            residuals = []
            for _ in range(blocks + 1):
                residuals.append(Residual(now + kept.pop(), widths[i], time, groups))
                now = widths[i]
            part = level(residuals, attend(i, blocks + 1))
            if i > 0:
                part.upsample = Resampling(now, up=True)
            ups.insert(0, part)
        self.up = nn.ModuleList(ups)
        self.norm_out, self.conv_out = norm(now, groups), nn.Conv2d(now, channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        half = self.width // 2
        frequencies = torch.exp(-math.log(10_000) * torch.arange(half) / (half - 1))
        angles = t[:, None].float() * frequencies
        time = self.temb.dense[0](torch.cat([angles.sin(), angles.cos()], dim=1))
        time = self.temb.dense[1](nn.functional.silu(time))
        kept = [self.conv_in(x)]

        def step(part: Any, i: int, h: Tensor) -> Tensor:
            h = part.block[i](h, time)
            return part.attn[i](h) if len(part.attn) else h

        for part in self.down:
            for i in range(len(part.block)):
                kept.append(step(part, i, kept[-1]))
            if hasattr(part, "downsample"):
                kept.append(part.downsample(kept[-1]))
        h = self.mid.block_2(self.mid.attn_1(self.mid.block_1(kept[-1], time)), time)
        for part in reversed(self.up):
            for i in range(len(part.block)):
                h = step(part, i, torch.cat([h, kept.pop()], dim=1))
            if hasattr(part, "upsample"):
                h = part.upsample(h)
        return self.conv_out(nn.functional.silu(self.norm_out(h)))
