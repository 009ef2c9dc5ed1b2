"""Exports a trained U-Net as a pipeline of diffusers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.config import DiffusionSpec
from amdiff.diffusion.diffusers_format import SCHEDULES
from amdiff.errors import AmdiffError, ArtifactError
from amdiff.plan import Plan
from amdiff.project import image_shape
from amdiff.store import Store

from .console import say
from .context import Context
from .loading import load_denoiser


def export(plan: Plan, artifact: Artifact, target: Path, root: Path = Path()) -> None:
    """Write a trained U-Net as a folder that ``diffusers.DDPMPipeline.from_pretrained`` loads.

    The pipeline's scheduler is the ancestral sampler of an experiment. It uses all noise levels or evenly strided ones,
    clips predicted images to [-1, 1], and takes the smaller of the two variances.

    Raises ``ArtifactError`` if the artifact is not made yet, and ``ValueError`` if it is of another stage, if its
    network is not a U-Net, or if the folder ``target`` exists.
    """
    from diffusers import DDPMPipeline, DDPMScheduler

    context = Context(Store(root), plan)
    kind = artifact.params.get("denoiser", {}).get("kind")
    if artifact.stage != "train":
        raise AmdiffError(f"{artifact.folder} is of stage {artifact.stage!r}; give a trained model")
    if kind != "unet":
        raise AmdiffError(f"{artifact.folder} is a network of kind {kind!r}; only 'unet' can be exported to diffusers")
    if target.exists():
        raise AmdiffError(f"{target} is there already; give a new folder")
    if not context.store.complete(artifact):
        raise ArtifactError(f"{artifact.folder} is not made yet; run snakemake to make it, or dvc pull to fetch it")
    diffusion = DiffusionSpec.model_validate(artifact.params["diffusion"])
    scheduler = DDPMScheduler(
        num_train_timesteps=diffusion.steps,
        beta_start=diffusion.beta_start,
        beta_end=diffusion.beta_end,
        beta_schedule=SCHEDULES[diffusion.schedule],
        variance_type="fixed_small",
        clip_sample=True,
        timestep_spacing="linspace",
    )
    network = load_denoiser(context, _as_reader(artifact), image_shape(plan, artifact.subject, root), "cpu").net
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    pipeline: Any = DDPMPipeline(unet=network, scheduler=scheduler)
    pipeline.save_pretrained(part)
    part.rename(target)
    say(f"{target}: load it with diffusers.DDPMPipeline.from_pretrained")


def _as_reader(train: Artifact) -> Artifact:
    """An artifact that reads the training ``train``, since ``load_denoiser`` expects such an artifact."""
    return Artifact("sample", train.subject, train.label, train.params, {"train": (train,)})
