"""What the files of diffusers say: of schedulers, and of the U-Nets that they sample. No code in them is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amdiff.config import DiffusionSpec
from amdiff.config.reading import NETWORK_OF_ONES_OWN

PREDICTIONS = ("epsilon", "v_prediction", "sample")
"""What a network may predict: the noise, v (Salimans and Ho 2022), or the image."""

VP_SCHEDULERS = (
    "DDIMInverseScheduler", "DDIMParallelScheduler", "DDIMScheduler", "DDPMParallelScheduler", "DDPMScheduler",
    "DEISMultistepScheduler", "DPMSolverMultistepScheduler", "DPMSolverSDEScheduler", "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler", "LMSDiscreteScheduler", "PNDMScheduler",
    "UniPCMultistepScheduler",
)  # fmt: skip
"""Schedulers of diffusers whose models predict at the noise levels of the VP process, in discrete time."""


def prediction_of(scheduler: Mapping[str, Any]) -> str:
    """What a scheduler of diffusers says that its network predicts; before 0.10 it said so by 'predict_epsilon'."""
    told = scheduler.get("prediction_type") or "epsilon"
    return "sample" if scheduler.get("predict_epsilon") is False and told == "epsilon" else str(told)


SCHEDULES = {"linear": "linear", "scaled_linear": "scaled_linear", "cosine": "squaredcos_cap_v2"}
"""diffusers' names of the schedules of betas."""


def forward_process(scheduler: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of ``DiffusionSpec`` that a scheduler of diffusers means; those of unknown schedules are linear."""
    ours = {theirs: name for name, theirs in SCHEDULES.items()}
    schedule = ours.get(str(scheduler.get("beta_schedule", "linear")), "linear")
    found = {"schedule": schedule, "steps": scheduler.get("num_train_timesteps", 1000)}
    if schedule != "cosine":
        found |= {"beta_start": scheduler.get("beta_start", 1e-4), "beta_end": scheduler.get("beta_end", 0.02)}
    return found


def scheduler_misfit(scheduler: Mapping[str, Any], predictions: Sequence[str], betas: Sequence[str]) -> str | None:
    """Why a scheduler's model is none of the VP process that predicts and has betas like one of those; or None."""
    if (name := scheduler.get("_class_name", "DDPMScheduler")) not in VP_SCHEDULERS:
        return f"is sampled by a {name}, so it is no model of the VP process in discrete time; a DDPM is needed"
    if (prediction := prediction_of(scheduler)) not in predictions:
        return f"predicts {prediction!r}, which is none of {', '.join(predictions)}"
    kind = "trained" if scheduler.get("trained_betas") is not None else scheduler.get("beta_schedule", "linear")
    if kind not in betas or scheduler.get("rescale_betas_zero_snr"):
        return f"has betas of kind {kind!r}, rescaled or not; {' or '.join(betas)} ones are needed"
    return None


def process_misfit(scheduler: Mapping[str, Any], diffusion: DiffusionSpec) -> str | None:
    """Why a scheduler's model has another forward process than that, or none that is known; or None."""
    if problem := scheduler_misfit(scheduler, PREDICTIONS, tuple(SCHEDULES.values())):
        return problem
    theirs = forward_process(scheduler)
    if DiffusionSpec.model_validate(theirs).identity() != diffusion.identity():
        stated = ", ".join(f"{key}: {value}" for key, value in theirs.items() if (key, value) != ("schedule", "linear"))
        return f"has another forward process; set 'diffusion: {{{stated}}}'"
    return None


def unet_misfit(unet: Mapping[str, Any], shape: tuple[int, ...] | None = None) -> str | None:
    """Why a ``UNet2DModel`` of that configuration cannot be used, for images (C, H, W) if any are given; or None."""
    if unet.get("_class_name", "UNet2DModel") != "UNet2DModel":
        return f"is a {unet['_class_name']}; a UNet2DModel, without text or class, is needed; {NETWORK_OF_ONES_OWN}"
    if unet.get("class_embed_type") is not None or unet.get("num_class_embeds") is not None:
        return "is conditioned on classes; an unconditional model is needed"
    if unet.get("time_embedding_type", "positional") != "positional":
        return f"embeds times as {unet['time_embedding_type']!r}; a discrete-time model, 'positional', is needed"
    channels = {unet.get("in_channels", 3), unet.get("out_channels", 3)}
    if len(channels) > 1 and shape is None:
        return (
            f"has {unet['in_channels']} channels in and {unet['out_channels']} out; one that predicts noise is needed"
        )
    if shape is None:
        return None
    if channels != {shape[0]}:
        return f"is for images of {' and '.join(map(str, sorted(channels)))} channels, the dataset's have {shape[0]}"
    side = unet.get("sample_size")
    sides = [side, side] if isinstance(side, int) else side
    if sides is not None and (not isinstance(sides, list | tuple) or len(sides) != 2):
        return f"has the sample_size {side!r}, which is no side of an image"
    if sides is not None and list(sides) != list(shape[1:]):
        return f"is for images of {sides[0]}x{sides[1]}, the dataset's are {shape[1]}x{shape[2]}; use 'resize'"
    return None
