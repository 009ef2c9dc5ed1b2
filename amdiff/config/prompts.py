"""Text-to-image models: the curvature at the images that they draw for a prompt (section 4.2, fig. 5B and 24)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .analyses import SpectrumSpec, Time
from .base import Local, Seed, Shown, Spec


class PipelineSpec(Spec):
    """A pipeline of Stable Diffusion, v1 or v2, as diffusers saves it."""

    path: Annotated[Path | None, Local] = None
    """Its folder on disk. Give either 'path' or 'hub'."""
    hub: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    """Repository on the Hugging Face hub, for example 'CompVis/stable-diffusion-v1-4'."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    """Commit of the repository, as 40 hexadecimal digits. The name of a branch or a tag is refused, because it can
    move."""

    @model_validator(mode="after")
    def _one_place(self) -> PipelineSpec:
        if (self.hub is None) != (self.revision is None) or (self.hub is None) == (self.path is None):
            raise ValueError(
                "say where the pipeline is, by 'path', or by 'hub' with 'revision', a commit of 40 hexadecimal digits"
            )
        return self


class PromptSpec(Spec):
    """A prompt, and the class that its images are expected to have."""

    text: Annotated[str, Field(min_length=1, max_length=2000)]
    """The prompt itself."""
    candidate: Literal["memorized", "spurious", "generalized"]
    """The class that you expect. It is a guess, because the training set is too large to check."""
    image: Annotated[Path | None, Local] = None
    """File of the training image that belongs to the prompt. The page shows it beside the images that are drawn."""


class LatentSpectrumSpec(SpectrumSpec):
    """Singular values as for images, but in latent space. Defaults are the paper's where it states them."""

    times: tuple[Time, ...] = (2,)
    method: Literal["central", "one-sided"] = "one-sided"
    """'one-sided' takes scores on one side (algorithm 3). 'central' takes central differences (algorithm 2), at twice
    the cost."""
    rows_per_dimension: Annotated[int, Field(ge=1, le=1000)] = 1
    skip: Annotated[int, Field(ge=0), Shown] = 50


class PromptsSpec(Spec):
    """Images that a text-to-image model draws for some prompts, and the spectra of its guided score at these images."""

    pipeline: PipelineSpec
    prompts: Annotated[tuple[PromptSpec, ...], Field(min_length=1)]
    """The prompts, all different."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    """Seeds of the images. The model draws one image for each prompt and seed."""
    guidance: Annotated[float, Field(ge=1, le=100)] = 7.5
    """Scale of classifier-free guidance (Ho and Salimans 2022), in sampling and in the spectra; 1 means no guidance."""
    steps: Annotated[int, Field(ge=1)] = 50
    """Number of DDIM steps (eta = 0)."""
    side: Annotated[int, Field(ge=8, le=4096, multiple_of=8)] | None = None
    """Side of the images in pixels; null for the side of the model."""
    precision: Literal["float16", "bfloat16", "float32"] = "float16"
    """Arithmetic of the networks. Products of scores are summed in float64."""
    spectrum: LatentSpectrumSpec = LatentSpectrumSpec()

    @model_validator(mode="after")
    def _distinct(self) -> PromptsSpec:
        texts = [p.text for p in self.prompts]
        if len(set(texts)) < len(texts):
            raise ValueError(f"prompts: {next(t for t in texts if texts.count(t) > 1)!r} is named twice")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: expected distinct numbers, got {list(self.seeds)}")
        return self
