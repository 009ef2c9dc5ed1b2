"""Text-to-image models: the curvature behind what they draw for a prompt (section 4.2, fig. 5B and 24)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .analyses import SpectrumSpec, Time
from .base import Local, Seed, Shown, Spec


class PipelineSpec(Spec):
    """A pipeline of Stable Diffusion, v1 or v2, as diffusers saves it."""

    path: Annotated[Path | None, Local] = None
    """Its folder on disk; or give 'hub'."""
    hub: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    """Repository of the Hugging Face hub, as 'CompVis/stable-diffusion-v1-4'."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    """Commit of the repository, 40 hexadecimal digits: names move, commits do not."""

    @model_validator(mode="after")
    def _one_place(self) -> PipelineSpec:
        if (self.hub is None) != (self.revision is None) or (self.hub is None) == (self.path is None):
            raise ValueError(
                "say where the pipeline is, by 'path', or by 'hub' with 'revision', a commit of 40 hexadecimal digits"
            )
        return self


class PromptSpec(Spec):
    """A prompt, and what its images are taken to be."""

    text: Annotated[str, Field(min_length=1, max_length=2000)]
    candidate: Literal["memorized", "spurious", "generalized"]
    """What one expects of it: the training set is too large to know."""
    image: Annotated[Path | None, Local] = None
    """File of the training image that belongs to the prompt, to be shown beside what is drawn."""


class LatentSpectrumSpec(SpectrumSpec):
    """As for images, in latent space; defaults are the paper's where it says them."""

    times: tuple[Time, ...] = (2,)
    method: Literal["central", "one-sided"] = "one-sided"
    """Scores on one side (algorithm 3), or central differences (algorithm 2) at twice the cost."""
    rows_per_dimension: Annotated[int, Field(ge=1, le=1000)] = 1
    skip: Annotated[int, Field(ge=0), Shown] = 50


class PromptsSpec(Spec):
    """What a text-to-image model draws for some prompts, and the spectra of its guided score there."""

    pipeline: PipelineSpec
    prompts: Annotated[tuple[PromptSpec, ...], Field(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    """An image of each prompt for each seed."""
    guidance: Annotated[float, Field(ge=1, le=100)] = 7.5
    """Scale of classifier-free guidance (Ho and Salimans 2022), in sampling and in the spectra; 1 is none."""
    steps: Annotated[int, Field(ge=1)] = 50
    """Steps of DDIM (eta = 0)."""
    side: Annotated[int, Field(ge=8, le=4096, multiple_of=8)] | None = None
    """Side of the images in pixels; default: that of the model."""
    precision: Literal["float16", "bfloat16", "float32"] = "float16"
    """Arithmetic of the networks; products of scores are summed in float64."""
    spectrum: LatentSpectrumSpec = LatentSpectrumSpec()

    @model_validator(mode="after")
    def _distinct(self) -> PromptsSpec:
        texts = [p.text for p in self.prompts]
        if len(set(texts)) < len(texts):
            raise ValueError(f"prompts: {next(t for t in texts if texts.count(t) > 1)!r} is named twice")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: expected distinct numbers, got {list(self.seeds)}")
        return self
