"""Finds and checks the files of Stable Diffusion pipelines. No code in the files is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amdiff.config import PipelineSpec, PromptsSpec
from amdiff.diffusion.diffusers_format import scheduler_misfit
from amdiff.errors import DataError

from .digests import digest_files
from .pretrained import from_hub, json_object

CONFIGS = {
    "unet": "config.json",
    "vae": "config.json",
    "text_encoder": "config.json",
    "scheduler": "scheduler_config.json",
}
"""Folder of each component that has a configuration, and the name of the configuration file."""

_WEIGHTS = {
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}
_TOKENIZER = ("tokenizer/*.json", "tokenizer/*.txt")

PREDICTIONS = ("epsilon", "v_prediction")
"""What the network may predict: the noise, or v (Salimans and Ho 2022)."""

Components = Mapping[str, Mapping[str, Any]]
"""Configuration of each component, by its folder."""


def pipeline_files(path: Path) -> list[tuple[str, Path]]:
    """The files that decide what a pipeline computes, (name, file) each. Raises ``DataError`` if one is missing.

    Weights are read only from safetensors files, since pickles may carry code.
    """
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder")
    weights = {part: _weights(name, weights_variant(path, part)) for part, name in _WEIGHTS.items()}
    names = [f"{part}/{name}" for part, name in (*CONFIGS.items(), *weights.items())]
    if missing := [name for name in names if not (path / name).is_file()]:
        raise DataError(
            f"{path}: holds no {missing[0]}; give the folder of a StableDiffusionPipeline saved with safetensors"
        )
    tokenizer = sorted(file for pattern in _TOKENIZER for file in path.glob(pattern))
    if not tokenizer:
        raise DataError(f"{path}: holds no tokenizer/*.json; give the folder of a whole StableDiffusionPipeline")
    return [(file.relative_to(path).as_posix(), file) for file in [*(path / name for name in names), *tokenizer]]


def weights_variant(path: Path, part: str) -> str | None:
    """'fp16' if a component has weights in half precision only; else None."""
    name = _WEIGHTS[part]
    half = _weights(name, "fp16")
    return "fp16" if not (path / part / name).is_file() and (path / part / half).is_file() else None


def weights_variants(path: Path) -> dict[str, str | None]:
    """Variant of each component's weights (see ``weights_variant``), by its folder."""
    return {part: weights_variant(path, part) for part in _WEIGHTS}


def _weights(name: str, variant: str | None) -> str:
    return name if variant is None else name.replace(".safetensors", f".{variant}.safetensors")


def pipeline_path(spec: PipelineSpec, *, download: bool = True) -> Path:
    """The folder of a pipeline. The files of a hub repository are downloaded unless they are on this machine.

    Raises ``DataError`` if the files cannot be downloaded, or are not here and ``download`` is False.
    """
    if spec.path is not None:
        return spec.path
    patterns = [f"{part}/{name}" for part, name in (*CONFIGS.items(), *_WEIGHTS.items())]
    return from_hub(str(spec.hub), str(spec.revision), [*patterns, *_TOKENIZER], download=download)


def pipeline_digest(path: Path, known: dict[str, str]) -> str:
    """Digest of the names and contents of a pipeline's files. ``known`` is the cache of ``source_digest``."""
    return digest_files(pipeline_files(path), known)


def read_components(path: Path) -> Components:
    """Read the configurations of a pipeline's components. Raises ``DataError``."""
    return {part: json_object(path / part / name) for part, name in CONFIGS.items()}


def latent_side(components: Components, side: int | None) -> int:
    """Side of the latents, in latent pixels, of images with a side of ``side`` pixels.

    If ``side`` is None, the side that the network was made for.
    """
    return int(components["unet"]["sample_size"]) if side is None else side // scale_factor(components)


def scale_factor(components: Components) -> int:
    """Number of image pixels per latent pixel, along one side."""
    return int(2 ** (len(components["vae"]["block_out_channels"]) - 1))


def pipeline_misfit(components: Components, spec: PromptsSpec) -> str | None:
    """Why a pipeline cannot be used for the prompts of ``spec``, as far as its files tell; else None."""
    unet, vae, scheduler = (components[part] for part in ("unet", "vae", "scheduler"))
    if (kind := unet.get("_class_name")) != "UNet2DConditionModel":
        return f"has a unet that is a {kind}; a UNet2DConditionModel is needed"
    if extra := next((k for k in ("addition_embed_type", "class_embed_type") if unet.get(k) is not None), None):
        return f"is conditioned on more than text ({extra}: {unet[extra]!r}); Stable Diffusion v1 or v2 is needed"
    channels = [unet.get("in_channels"), unet.get("out_channels"), vae.get("latent_channels", 4)]
    if len(set(channels)) > 1:
        return (
            f"has {channels[0]} channels going in and {channels[1]} out, for latents of {channels[2]}; a text-to-image "
            "model is needed, not one for inpainting or upscaling"
        )
    if problem := scheduler_misfit(scheduler, PREDICTIONS, ("linear", "scaled_linear")):
        return problem
    levels = int(scheduler.get("num_train_timesteps", 1000))
    if max(spec.spectrum.times) >= levels or spec.steps > levels:
        return (
            f"has noise levels 0 to {levels - 1}; 'spectrum.times' must be among them, and 'steps' may not exceed "
            "their number"
        )
    if spec.side is None and not isinstance(unet.get("sample_size"), int):
        return "does not say the side of its images; set 'side', in pixels"
    factor = scale_factor(components) * 2 ** (len(unet["block_out_channels"]) - 1)
    if spec.side is not None and spec.side % factor:
        return f"takes images whose side is a multiple of {factor}, got 'side: {spec.side}'"
    return None
