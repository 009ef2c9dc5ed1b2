"""Reads the configurations of schedulers and U-Nets in diffusers' format. No code in them is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amdiff.config import DiffusionSpec
from amdiff.config.reading import NETWORK_OF_ONES_OWN

PREDICTIONS = ("epsilon", "v_prediction", "sample")
"""The quantity that a network may predict: the noise, v (Salimans and Ho 2022), or the image."""

VP_SCHEDULERS = (
    "DDIMInverseScheduler", "DDIMParallelScheduler", "DDIMScheduler", "DDPMParallelScheduler", "DDPMScheduler",
    "DEISMultistepScheduler", "DPMSolverMultistepScheduler", "DPMSolverSDEScheduler", "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler", "LMSDiscreteScheduler", "PNDMScheduler",
    "UniPCMultistepScheduler",
)  # fmt: skip
"""Schedulers of diffusers for models of the VP process in discrete time."""


def prediction_of(scheduler: Mapping[str, Any]) -> str:
    """Return the quantity that the network predicts, according to its scheduler's configuration.

    diffusers before version 0.10 stated it by 'predict_epsilon'.
    """
    told = scheduler.get("prediction_type") or "epsilon"
    return "sample" if scheduler.get("predict_epsilon") is False and told == "epsilon" else str(told)


SCHEDULES = {"linear": "linear", "scaled_linear": "scaled_linear", "cosine": "squaredcos_cap_v2"}
"""Names of the schedules of betas, from ours to diffusers'."""


def forward_process(scheduler: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of ``DiffusionSpec`` that correspond to a scheduler of diffusers.

    A schedule that is unknown here counts as linear.
    """
    ours = {theirs: name for name, theirs in SCHEDULES.items()}
    schedule = ours.get(str(scheduler.get("beta_schedule", "linear")), "linear")
    found = {"schedule": schedule, "steps": scheduler.get("num_train_timesteps", 1000)}
    if schedule != "cosine":
        found |= {"beta_start": scheduler.get("beta_start", 1e-4), "beta_end": scheduler.get("beta_end", 0.02)}
    return found


def scheduler_misfit(scheduler: Mapping[str, Any], predictions: Sequence[str], betas: Sequence[str]) -> str | None:
    """Say why a scheduler's model cannot be used, or return None if it can.

    ``predictions`` are the accepted kinds of prediction, and ``betas`` the accepted schedules by diffusers' names.
    """
    if (name := scheduler.get("_class_name", "DDPMScheduler")) not in VP_SCHEDULERS:
        return f"has the scheduler {name}, which is not for the VP process in discrete time; a DDPM is needed"
    if (prediction := prediction_of(scheduler)) not in predictions:
        return f"predicts {prediction!r}; expected one of {', '.join(predictions)}"
    kind = "trained" if scheduler.get("trained_betas") is not None else scheduler.get("beta_schedule", "linear")
    if kind not in betas or scheduler.get("rescale_betas_zero_snr"):
        return (
            f"has betas of kind {kind!r} with rescale_betas_zero_snr={bool(scheduler.get('rescale_betas_zero_snr'))}; "
            f"expected {' or '.join(betas)} betas with rescale_betas_zero_snr=False"
        )
    return None


def process_misfit(scheduler: Mapping[str, Any], diffusion: DiffusionSpec) -> str | None:
    """Say why a scheduler's forward process is unknown or differs from ``diffusion``, or return None if it is equal."""
    if problem := scheduler_misfit(scheduler, PREDICTIONS, tuple(SCHEDULES.values())):
        return problem
    theirs = forward_process(scheduler)
    if DiffusionSpec.model_validate(theirs).identity() != diffusion.identity():
        stated = ", ".join(f"{key}: {value}" for key, value in theirs.items() if (key, value) != ("schedule", "linear"))
        return f"has another forward process; set 'diffusion: {{{stated}}}'"
    return None


def unet_misfit(unet: Mapping[str, Any], shape: tuple[int, ...] | None = None) -> str | None:
    """Say why a ``UNet2DModel`` with this configuration cannot be used, or return None if it can.

    If a ``shape`` (C, H, W) is given, the network must also fit images of that shape.
    """
    if unet.get("_class_name", "UNet2DModel") != "UNet2DModel":
        return (
            f"is a {unet['_class_name']}; expected a UNet2DModel, which takes neither text nor classes; "
            f"{NETWORK_OF_ONES_OWN}"
        )
    if unet.get("class_embed_type") is not None or unet.get("num_class_embeds") is not None:
        return "is conditioned on classes; an unconditional model is needed"
    if unet.get("time_embedding_type", "positional") != "positional":
        return f"embeds times as {unet['time_embedding_type']!r}; expected 'positional', as in a discrete-time model"
    channels = {unet.get("in_channels", 3), unet.get("out_channels", 3)}
    if len(channels) > 1 and shape is None:
        return (
            f"has {unet['in_channels']} channels in and {unet['out_channels']} out; a network that predicts noise has "
            "as many out as in"
        )
    if shape is None:
        return None
    if channels != {shape[0]}:
        return f"is for images of {' and '.join(map(str, sorted(channels)))} channels, the dataset's have {shape[0]}"
    side = unet.get("sample_size")
    sides = [side, side] if isinstance(side, int) else side
    if sides is not None and (not isinstance(sides, list | tuple) or len(sides) != 2):
        return f"has the sample_size {side!r}; expected the side of an image, or its height and width, in pixels"
    if sides is not None and list(sides) != list(shape[1:]):
        return f"is for images of {sides[0]}x{sides[1]}, the dataset's are {shape[1]}x{shape[2]}; use 'resize'"
    return None
