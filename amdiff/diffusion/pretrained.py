"""Networks that others trained, behind the interface of ours: noise prediction from x and t."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from amdiff.errors import AmdiffError

from .ddpm_layout import from_ddpm
from .diffusers_format import PREDICTIONS, VP_SCHEDULERS, prediction_of, unet_misfit
from .processes import Process, Schedule


class Pretrained(nn.Module):
    """A ``UNet2DModel`` that predicts the noise, v or the image, as a predictor of the noise."""

    def __init__(self, net: nn.Module, prediction: str, process: Process) -> None:
        """``prediction`` is 'epsilon', 'v_prediction' (v = signal n - sigma x_0) or 'sample' (x_0)."""
        super().__init__()
        self.net, self.prediction, self.process = net, prediction, process

    def forward(self, x: Float[Tensor, "n c h w"], t: Num[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
        return as_noise(self.net(x, t, return_dict=False)[0], x, t, self.prediction, self.process)


def as_noise(
    out: Float[Tensor, "n c h w"],
    x: Float[Tensor, "n c h w"],
    t: Num[Tensor, " n"],
    prediction: str,
    process: Process,
) -> Float[Tensor, "n c h w"]:
    """The noise in x at times t from what a network predicts: 'epsilon', 'v_prediction' or 'sample'."""
    if prediction == "epsilon":
        return out
    signal, sigma = (
        torch.as_tensor(np.asarray(level), dtype=x.dtype, device=x.device)[:, None, None, None]
        for level in process.levels(t.cpu().numpy())
    )
    return signal * out + sigma * x if prediction == "v_prediction" else (x - signal * out) / sigma


def from_diffusers(unet: nn.Module, scheduler: Any) -> tuple[Pretrained, Schedule]:
    """The denoiser and the forward process of an unconditional ``UNet2DModel`` and its scheduler.

    The network is put into evaluation mode, and else left as it is. Raises ``ValueError`` for networks with classes,
    with other channels out than in, or of continuous time, for schedulers of other processes than DDPM's, for betas
    that end in pure noise, and for what a network may predict but noise, v and the image.
    """
    name = type(scheduler).__name__
    if name not in VP_SCHEDULERS:
        raise AmdiffError(f"{name} samples no VP process in discrete time; expected one of {', '.join(VP_SCHEDULERS)}")
    config = getattr(unet, "config", None)
    if config is None:
        raise AmdiffError(f"expected a UNet2DModel of diffusers, got {type(unet).__name__}, which has no 'config'")
    if problem := unet_misfit({**config, "_class_name": type(unet).__name__}):
        raise AmdiffError(f"the network {problem}")
    prediction = prediction_of(scheduler.config)
    if prediction not in PREDICTIONS:
        raise AmdiffError(f"the network predicts {prediction!r}; expected one of {', '.join(PREDICTIONS)}")
    schedule = Schedule(scheduler.betas.double().cpu().numpy())
    if not schedule.alpha_bar[-1] > 0:
        raise AmdiffError("the betas end in pure noise ('rescale_betas_zero_snr'), from which no image is predicted")
    return Pretrained(unet.eval(), prediction, schedule), schedule


def build_unet(config: Mapping[str, Any], weights: Mapping[str, Float[Tensor, "..."]]) -> nn.Module:
    """The ``UNet2DModel`` of a configuration with the given tensors. Raises ``ValueError`` where they do not fit."""
    from diffusers import UNet2DModel

    factory: Any = UNet2DModel
    try:
        with torch.device("meta"):
            network = factory.from_config({k: v for k, v in config.items() if not k.startswith("_")})
        network.load_state_dict({_renamed(name): tensor for name, tensor in weights.items()}, assign=True)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise AmdiffError(f"tensors and architecture do not fit ({' '.join(str(error).split())[:500]})") from None
    return network.eval().requires_grad_(False)


def _renamed(name: str) -> str:
    """Name of a tensor in diffusers since 0.15, from one before: its attention layers had other names."""
    for old, new in (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")):
        name = re.sub(rf"(\.attentions\.\d+\.){old}\.(weight|bias)$", rf"\g<1>{new}.\2", name)
    return name


def from_checkpoint(
    weights: Mapping[str, Float[Tensor, "..."]], norm_groups: int
) -> tuple[dict[str, Any], dict[str, Float[Tensor, "..."]]]:
    """Configuration and tensors of a ``UNet2DModel`` from a checkpoint in DDPM's published layout.

    The tensors tell all but the groups of the normalisation. Raises ``ValueError`` for other layouts.
    """
    if "down.0.block.0.conv1.weight" not in weights:
        first = ", ".join(list(weights)[:3])
        raise AmdiffError(
            f"the tensors are not in DDPM's layout (down.0.block.0.conv1.weight, ...), but named {first}, ...; of a "
            "model of diffusers give the folder, whose config.json tells the architecture"
        )
    try:
        return _configuration(weights, norm_groups)
    except KeyError as error:
        raise AmdiffError(f"the checkpoint lacks the tensor {error}; it is not whole") from None


def _configuration(
    weights: Mapping[str, Float[Tensor, "..."]], norm_groups: int
) -> tuple[dict[str, Any], dict[str, Float[Tensor, "..."]]]:
    tensors = from_ddpm(weights)
    levels = range(_count(weights, r"down\.(\d+)\."))
    attends = [f"down.{level}.attn.0.q.weight" in weights for level in levels]
    config = {
        "in_channels": tensors["conv_in.weight"].shape[1],
        "out_channels": tensors["conv_out.weight"].shape[0],
        "block_out_channels": [weights[f"down.{level}.block.0.conv1.weight"].shape[0] for level in levels],
        "layers_per_block": _count(weights, r"down\.0\.block\.(\d+)\."),
        "down_block_types": ["AttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        "up_block_types": ["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        "norm_num_groups": norm_groups,
        **DDPM,
    }
    return config, tensors


DDPM: dict[str, Any] = {
    "attention_head_dim": None,
    "norm_eps": 1e-6,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
}
"""Constants of DDPM's U-Net where diffusers' defaults differ."""


def _count(weights: Mapping[str, Any], pattern: str) -> int:
    return 1 + max((int(match[1]) for name in weights if (match := re.match(pattern, name))), default=-1)
