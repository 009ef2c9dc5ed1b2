"""Draws images with a text-to-image model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.data.pipelines import latent_side, pipeline_path, weights_variants
from amdiff.errors import DataError
from amdiff.files import read_json

from .context import Context
from .hdf5 import write_h5
from .loading import choose_device


def load_text_to_image(
    context: Context, source: Artifact, precision: str, *, double: bool = False
) -> tuple[Any, dict[str, Any]]:
    """Load a text-to-image pipeline. Returns it, and the configurations of its components.

    Parameters
    ----------
    context
        Context of the stage.
    source
        The ``pipeline`` artifact.
    precision
        Precision of the weights: 'float16', 'bfloat16' or 'float32'.
    double
        Choose a device that can also compute in double precision. Default False.

    Raises
    ------
    DataError
        If the pipeline cannot be loaded.
    """
    from amdiff.diffusion.guidance import TextToImage

    path = pipeline_path(context.config.prompts[source.subject].pipeline, download=False)
    components = read_json(context.store.file(source))["components"]
    device = choose_device(context.runtime.device, double=double)
    context.facts["device"] = str(device)
    try:
        return TextToImage(path, components, weights_variants(path), precision, device), components
    except (OSError, ValueError, RuntimeError, KeyError) as error:  # diffusers, transformers and safetensors
        raise DataError(f"{path} cannot be loaded ({' '.join(str(error).split())[:500]})") from None


def generate(context: Context, artifact: Artifact, folder: Path) -> None:
    """Draw an image for one prompt and seed."""
    from amdiff.diffusion.randomness import SampleNoise

    params = artifact.params
    model, components = load_text_to_image(context, artifact.parent("pipeline"), params["precision"])
    progress = context.progress(artifact, params["steps"], "steps")
    latents = model.draw(
        params["prompt"],
        SampleNoise(params["seed"], [0]),
        side=latent_side(components, params["side"]),
        scale=params["guidance"],
        steps=params["steps"],
        callback=progress.update,
    )
    image = model.decode(latents)
    attributes = {
        "address": artifact.address,
        "truncated": model.truncated(params["prompt"]),
        "latent@meaning": "what the decoder is given, times its scaling factor",
        "image@range": "0 is black, 255 is white",
    }
    arrays = {"latent": latents[0].cpu().numpy(), "image": image[0].cpu().numpy()}
    write_h5(folder / artifact.file(), arrays, attributes, compress=True)
