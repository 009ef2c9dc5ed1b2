"""Converts weights from DDPM's published layout (Ho et al. 2020) to the U-Net of diffusers.

PyTorch ports of DDPM use this layout. It names modules ``down.<level>.block.<i>``, ``down.<level>.attn.<i>``,
``mid.block_1`` and ``up.<level>...``. Two things differ in diffusers:

- DDPM's layout counts levels from the highest resolution, on the way down *and* on the way up. diffusers counts the way
  up from the lowest resolution.
- Queries, keys and values are 1x1 convolutions in DDPM's layout, and linear maps in diffusers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from amdiff.errors import AmdiffError

_RESIDUAL = {
    "norm1": "norm1",
    "conv1": "conv1",
    "temb_proj": "time_emb_proj",
    "norm2": "norm2",
    "conv2": "conv2",
    "nin_shortcut": "conv_shortcut",
}
_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
_ENDS = {
    "temb.dense.0": "time_embedding.linear_1",
    "temb.dense.1": "time_embedding.linear_2",
    "conv_in": "conv_in",
    "norm_out": "conv_norm_out",
    "conv_out": "conv_out",
}
_MIDDLE = {"block_1": "resnets.0", "attn_1": "attentions.0", "block_2": "resnets.1"}
_LEVEL = re.compile(r"(down|up)\.(\d+)\.(block|attn)\.(\d+)\.(\w+)")
_RESAMPLING = re.compile(r"(down|up)\.(\d+)\.(?:down|up)sample\.conv")


def from_ddpm(weights: Mapping[str, Float[Tensor, "..."]]) -> dict[str, Float[Tensor, "..."]]:
    """Return the same weights under the names and in the shapes of ``diffusers.UNet2DModel``.

    Raises ``ValueError`` if a name does not belong to DDPM's layout.
    """
    levels = 1 + max((int(m[2]) for name in weights if (m := _LEVEL.match(name))), default=0)
    found = {}
    for name, tensor in weights.items():
        module, _, leaf = name.rpartition(".")
        target = _target(module, levels)
        if target is None or leaf not in ("weight", "bias"):
            raise AmdiffError(
                f"{name!r} is not a tensor of DDPM's U-Net; expected names like 'down.0.block.0.conv1.weight'"
            )
        linear = ".attentions." in target and not target.endswith("group_norm")
        found[f"{target}.{leaf}"] = tensor.flatten(1) if linear and leaf == "weight" else tensor
    return found


def _target(module: str, levels: int) -> str | None:
    """Return the name of a module in diffusers, or None if the module does not belong to DDPM's layout."""
    if module in _ENDS:
        return _ENDS[module]
    if module.startswith("mid."):
        _, part, *rest = module.split(".")
        names = _ATTENTION if part == "attn_1" else _RESIDUAL
        if part in _MIDDLE and len(rest) == 1 and rest[0] in names:
            return f"mid_block.{_MIDDLE[part]}.{names[rest[0]]}"
        return None
    if match := _RESAMPLING.fullmatch(module):
        way, level = match[1], int(match[2])
        return f"{_block(way, level, levels)}.{way}samplers.0.conv"
    if (match := _LEVEL.fullmatch(module)) is None:
        return None
    way, level, part, number, leaf = match[1], int(match[2]), match[3], match[4], match[5]
    names, group = (_RESIDUAL, "resnets") if part == "block" else (_ATTENTION, "attentions")
    return f"{_block(way, level, levels)}.{group}.{number}.{names[leaf]}" if leaf in names else None


def _block(way: str, level: int, levels: int) -> str:
    return f"down_blocks.{level}" if way == "down" else f"up_blocks.{levels - 1 - level}"
