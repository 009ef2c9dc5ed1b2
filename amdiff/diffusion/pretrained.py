"""Pretrained networks from other sources, as denoisers that predict the noise from x and t."""

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
    """Turns a ``UNet2DModel`` that predicts the noise, v or the image into a predictor of the noise."""

    levels: Tensor
    """Signal and sigma at each time of the process, float32 (2, T)."""

    def __init__(self, net: nn.Module, prediction: str, process: Process) -> None:
        """``prediction`` is 'epsilon' (the noise n), 'v_prediction' (v = signal n - sigma x_0) or 'sample' (x_0)."""
        super().__init__()
        self.net, self.prediction, self.process = net, prediction, process
        levels = np.stack(process.levels(np.arange(process.count)))
        # on the device of the network, since a CUDA graph cannot ask the process, which computes on the CPU
        self.register_buffer("levels", torch.from_numpy(levels).float(), persistent=False)

    def forward(self, x: Float[Tensor, "n c h w"], t: Num[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
        out = self.net(x, t, return_dict=False)[0]
        if self.prediction == "epsilon":
            return out
        tabled = x.dtype == torch.float32 and not t.is_floating_point()
        signal, sigma = self.levels[:, t] if tabled else levels_at(t, self.process, x.dtype)
        return as_noise(out, x, self.prediction, signal, sigma)


def levels_at(t: Num[Tensor, " n"], process: Process, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return signal and sigma of a process at times ``t``, (n,) each, on the device of ``t``, rounded from float64."""
    signal, sigma = (np.asarray(level) for level in process.levels(t.cpu().numpy()))
    return torch.as_tensor(signal, dtype=dtype, device=t.device), torch.as_tensor(sigma, dtype=dtype, device=t.device)


def as_noise(
    out: Float[Tensor, "n c h w"],
    x: Float[Tensor, "n c h w"],
    prediction: str,
    signal: Float[Tensor, " n"],
    sigma: Float[Tensor, " n"],
) -> Float[Tensor, "n c h w"]:
    """Compute the noise from the output of a network.

    Parameters
    ----------
    out
        The output of the network, (n, C, H, W).
    x
        Noisy images, which were the input, (n, C, H, W).
    prediction
        The quantity in ``out``: 'epsilon', 'v_prediction' or 'sample'.
    signal, sigma
        Levels of the forward process at the time of each image, (n,) each.

    Returns
    -------
    Tensor
        The noise in x, (n, C, H, W).
    """
    if prediction == "epsilon":
        return out
    signal, sigma = signal[:, None, None, None], sigma[:, None, None, None]
    return signal * out + sigma * x if prediction == "v_prediction" else (x - signal * out) / sigma


def from_diffusers(unet: nn.Module, scheduler: Any) -> tuple[Pretrained, Schedule]:
    """Make a denoiser and its forward process from an unconditional model of diffusers.

    Parameters
    ----------
    unet
        A ``diffusers.UNet2DModel``. It is put into evaluation mode and is not changed otherwise.
    scheduler
        The scheduler of the model, for the VP process in discrete time, such as ``DDPMScheduler``.

    Returns
    -------
    denoiser : Pretrained
        It takes x (n, C, H, W) and t (n,) and predicts the noise (n, C, H, W), even if the network itself predicts v or
        the image.
    schedule : Schedule
        The noise levels of the VP process, from the scheduler's betas.

    Raises
    ------
    ValueError
        If the network is not a ``UNet2DModel``, is conditioned on classes, has different numbers of channels in and
        out, or has continuous time; or if the scheduler is for another process, has betas that end in pure noise, or
        says that the network predicts something other than the noise, v or the image.
    """
    name = type(scheduler).__name__
    if name not in VP_SCHEDULERS:
        raise AmdiffError(
            f"expected a scheduler of the VP process in discrete time, got {name}; "
            f"use one of {', '.join(VP_SCHEDULERS)}"
        )
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
        raise AmdiffError(
            "the betas end in pure noise ('rescale_betas_zero_snr'), but no image can be predicted from pure noise; "
            "use a model that was trained without this option"
        )
    return Pretrained(unet.eval(), prediction, schedule), schedule


def build_unet(config: Mapping[str, Any], weights: Mapping[str, Float[Tensor, "..."]]) -> nn.Module:
    """Build a ``UNet2DModel`` from its configuration and its tensors.

    Raises ``ValueError`` if the tensors do not fit the architecture.
    """
    from diffusers import UNet2DModel

    factory: Any = UNet2DModel
    try:
        with torch.device("meta"):
            network = factory.from_config({k: v for k, v in config.items() if not k.startswith("_")})
        network.load_state_dict({_renamed(name): tensor for name, tensor in weights.items()}, assign=True)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise AmdiffError(f"the tensors do not fit the architecture ({' '.join(str(error).split())[:500]})") from None
    return network.eval().requires_grad_(False)


def _renamed(name: str) -> str:
    """Return the name of a tensor in diffusers 0.15 or later; attention layers had other names before."""
    for old, new in (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")):
        name = re.sub(rf"(\.attentions\.\d+\.){old}\.(weight|bias)$", rf"\g<1>{new}.\2", name)
    return name


def from_checkpoint(
    weights: Mapping[str, Float[Tensor, "..."]], norm_groups: int
) -> tuple[dict[str, Any], dict[str, Float[Tensor, "..."]]]:
    """Return the configuration and the tensors of a ``UNet2DModel`` from a checkpoint in DDPM's published layout.

    The shapes of the tensors determine the architecture, except for the number of groups in the group normalisation,
    which is ``norm_groups``. Raises ``ValueError`` for another layout or an incomplete checkpoint.
    """
    if "down.0.block.0.conv1.weight" not in weights:
        first = ", ".join(list(weights)[:3])
        raise AmdiffError(
            f"the tensors are not in DDPM's layout (down.0.block.0.conv1.weight, ...); their names are like {first}; "
            "for a model of diffusers, give the folder, whose config.json tells the architecture"
        )
    try:
        return _configuration(weights, norm_groups)
    except KeyError as error:
        raise AmdiffError(f"the checkpoint lacks the tensor {error}; it is incomplete") from None


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
"""Constants of DDPM's U-Net that differ from diffusers' defaults."""


def _count(weights: Mapping[str, Any], pattern: str) -> int:
    return 1 + max((int(match[1]) for name in weights if (match := re.match(pattern, name))), default=-1)
