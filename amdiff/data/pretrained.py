"""Models of others on disk: which files hold one, and what they say of themselves. No code in them is run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amdiff.config import DiffusionSpec, PretrainedDenoiser

from .images import DataError
from .own import digest_files

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

_LATENT = ("vae", "vqvae", "vqgan", "movq", "first_stage_model")

_WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
_CHECKPOINTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")


@dataclass(frozen=True)
class ForeignModel:
    """A model of diffusers, or a checkpoint file."""

    weights: Path
    files: tuple[tuple[str, Path], ...]
    """All files that decide what it computes, by name."""
    unet: dict[str, Any] | None = None
    """``config.json`` of a ``UNet2DModel``; None for a checkpoint file."""
    scheduler: dict[str, Any] | None = None
    """``scheduler_config.json`` of a pipeline, where there is one."""

    @property
    def prediction(self) -> str:
        """What the network predicts, of ``PREDICTIONS`` or unknown here."""
        return str((self.scheduler or {}).get("prediction_type", "epsilon"))


def find_model(path: Path) -> ForeignModel:
    """The model at a path: a pipeline's or a ``UNet2DModel``'s folder, or a checkpoint file.

    Raises ``DataError`` where there is none.
    """
    if path.is_file():
        if path.suffix not in _CHECKPOINTS:
            raise DataError(f"{path}: is no checkpoint; expected one of {', '.join(_CHECKPOINTS)}")
        return ForeignModel(path, ((path.suffix, path),))
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    home = path / "unet" if (path / "unet").is_dir() else path
    # a pipeline has its scheduler beside the U-Net's folder, or in one folder with the U-Net's files
    top = path.parent if path.name == "unet" and (path.parent / "model_index.json").is_file() else path
    index = top / "model_index.json"
    if index.is_file() and (parts := [part for part in _LATENT if json_object(index).get(part)]):
        raise DataError(
            f"{path}: is a {json_object(index).get('_class_name', 'pipeline')}, whose U-Net draws latents for its "
            f"{parts[0]!r}; a model of images is needed (samples that it drew can be audited as a folder)"
        )
    config = home / "config.json"
    if not config.is_file():
        raise DataError(
            f"{path}: holds neither unet/config.json nor config.json; give the folder of a diffusers pipeline or of a "
            "UNet2DModel, or a checkpoint file"
        )
    weights = next((home / name for name in _WEIGHTS if (home / name).is_file()), None)
    if weights is None:
        raise DataError(f"{home}: holds none of {', '.join(_WEIGHTS)}; save the model in one file")
    beside = (top / "scheduler/scheduler_config.json", top / "scheduler_config.json")
    scheduler = next((file for file in beside if file.is_file()), None)
    used = [config, weights, *([scheduler] if scheduler else [])]
    return ForeignModel(
        weights,
        tuple((Path(os.path.relpath(file, path)).as_posix(), file) for file in used),
        json_object(config),
        json_object(scheduler) if scheduler else None,
    )


def json_object(path: Path) -> dict[str, Any]:
    """A file that holds one JSON object. Raises ``DataError``."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from None


def model_path(spec: PretrainedDenoiser, size: int) -> Path:
    """Where the model of K = ``size`` is; fetched from the hub where it is there. Raises ``DataError``."""
    if spec.hub is None:
        return Path(str(spec.path).format(K=size))
    inside = (spec.file or "").format(K=size)
    file = inside.endswith(_CHECKPOINTS)
    below = f"{inside}/" if inside and not file else ""
    patterns = [inside] if file else [f"{below}{part}" for part in ("*.json", *_WEIGHTS, "unet/*", "scheduler/*")]
    if inside == "unet":
        patterns += ["model_index.json", "scheduler/*"]
    return from_hub(spec.hub, str(spec.revision), patterns) / inside


def from_hub(repository: str, revision: str, patterns: Sequence[str], *, download: bool = True) -> Path:
    """Folder with the files of one commit of a repository that match; downloaded where they are not here.

    Raises ``DataError`` where they cannot be had.
    """
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            repository, revision=revision, allow_patterns=list(patterns), local_files_only=not download
        )
    except Exception as error:  # the hub and its HTTP library each have their own
        raise DataError(
            f"{repository} at {revision} is not here and cannot be downloaded ({' '.join(str(error).split())}). "
            "Fetch it where the network allows, and give its folder as 'path' in place of 'hub'"
        ) from None
    return Path(found)


def model_digest(model: ForeignModel, known: dict[str, str]) -> str:
    """Digest of the names and contents of a model's files; ``known`` as for ``source_digest``."""
    return digest_files(model.files, known)


def misfit(model: ForeignModel, shape: tuple[int, ...], diffusion: DiffusionSpec) -> str | None:
    """Why a model cannot be used for images (C, H, W) with that forward process, as far as its files say; or None."""
    if model.unet is not None and (problem := unet_misfit(model.unet, shape)):
        return problem
    return _process_misfit(model.scheduler, diffusion) if model.scheduler is not None else None


def unet_misfit(unet: Mapping[str, Any], shape: tuple[int, ...] | None = None) -> str | None:
    """Why a ``UNet2DModel`` of that configuration cannot be used, for images (C, H, W) if any are given; or None."""
    if unet.get("_class_name", "UNet2DModel") != "UNet2DModel":
        return f"is a {unet['_class_name']}; a UNet2DModel, without text or class, is needed"
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
    if sides is not None and list(sides) != list(shape[1:]):
        return f"is for images of {sides[0]}x{sides[1]}, the dataset's are {shape[1]}x{shape[2]}; use 'resize'"
    return None


def scheduler_misfit(scheduler: Mapping[str, Any], predictions: Sequence[str], betas: Sequence[str]) -> str | None:
    """Why a scheduler's model is none of the VP process that predicts and has betas like one of those; or None."""
    if (name := scheduler.get("_class_name", "DDPMScheduler")) not in VP_SCHEDULERS:
        return f"is sampled by a {name}, so it is no model of the VP process in discrete time; a DDPM is needed"
    if (prediction := scheduler.get("prediction_type", "epsilon")) not in predictions:
        return f"predicts {prediction!r}, which is none of {', '.join(predictions)}"
    kind = "trained" if scheduler.get("trained_betas") is not None else scheduler.get("beta_schedule", "linear")
    if kind not in betas or scheduler.get("rescale_betas_zero_snr"):
        return f"has betas of kind {kind!r}, rescaled or not; {' or '.join(betas)} ones are needed"
    return None


def _process_misfit(scheduler: Mapping[str, Any], diffusion: DiffusionSpec) -> str | None:
    if problem := scheduler_misfit(scheduler, PREDICTIONS, ("linear",)):
        return problem
    theirs = (
        scheduler.get("num_train_timesteps", 1000),
        scheduler.get("beta_start", 1e-4),
        scheduler.get("beta_end", 0.02),
    )
    if theirs != (diffusion.steps, diffusion.beta_start, diffusion.beta_end):
        return (
            f"has another forward process; set 'diffusion: {{steps: {theirs[0]}, beta_start: {theirs[1]}, "
            f"beta_end: {theirs[2]}}}'"
        )
    return None
