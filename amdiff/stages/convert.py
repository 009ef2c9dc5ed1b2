"""Converts models that were trained elsewhere to amdiff's own format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from amdiff.artifacts import Artifact
from amdiff.config import DiffusionSpec, PretrainedDenoiser
from amdiff.data.checkpoints import read_tensors
from amdiff.data.pretrained import find_model, misfit, model_digest, model_path
from amdiff.data.tally import named
from amdiff.diffusion.processes import Process
from amdiff.errors import AmdiffError, ArtifactError, DataError
from amdiff.files import read_json, write_bytes, write_json
from amdiff.store import Store

from .console import say
from .context import Context
from .stored_images import dataset_images

if TYPE_CHECKING:
    from amdiff.diffusion.pretrained import Pretrained


def convert(context: Context, artifact: Artifact, folder: Path) -> None:
    """Read a model that was trained elsewhere, check that it fits, and write its weights and its architecture.

    Raises ``DataError`` if the model cannot be used.
    """
    from safetensors.torch import save

    from amdiff.diffusion.pretrained import build_unet, from_checkpoint

    spec, path = _source(context, artifact)
    model = find_model(path, spec.weights)
    if "source" in artifact.params and model_digest(model, {}) != artifact.params["source"]:
        raise DataError(f"{path} has changed since this run started; run snakemake again")
    context.facts["path"] = str(path)
    shape = dataset_images(context.store, artifact.parent("dataset")).shape[1:]
    notes: list[str] = []
    tensors = read_tensors(model, spec.weights, notes)
    notes += model.assumptions(spec.prediction)
    try:
        prediction = model.predicts(spec.prediction)
        if model.unet is None:  # no configuration: the architecture follows from the tensors
            unet, tensors = from_checkpoint(tensors, spec.norm_groups)
            model = replace(model, unet=unet)
        diffusion = DiffusionSpec.model_validate(artifact.params["diffusion"])
        if problem := misfit(model, shape, diffusion, prediction):
            raise AmdiffError(problem)
        network = build_unet(model.unet or {}, tensors)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    parameters = sum(p.numel() for p in network.parameters())
    # one key of metadata only: safetensors would write several in random order
    write_bytes(folder / artifact.file("weights"), save(dict(network.state_dict()), {"address": artifact.address}))
    about = {"unet": model.unet, "prediction": prediction, "parameters": parameters}
    write_json(folder / artifact.file("network"), about)
    inside = "" if model.weights[0] == path else f", {named(f.relative_to(path).as_posix() for f in model.weights)}"
    say(
        f"convert {artifact.subject} {artifact.label}: {path}{inside}, {parameters:,} parameters, predicts {prediction}"
    )
    context.remark(str(path), notes)


def _source(context: Context, artifact: Artifact) -> tuple[PretrainedDenoiser, Path]:
    """The specification of a model and the path of its files, from the configuration.

    The artifact itself does not hold the path.
    """
    for experiment in context.plan.experiments:
        for model in experiment.models:
            if model.convert is not None and model.convert.address == artifact.address:
                assert isinstance(experiment.spec.denoiser, PretrainedDenoiser)
                return experiment.spec.denoiser, model_path(experiment.spec.denoiser, model.size)
    raise AmdiffError(f"{artifact.folder} does not belong to any model of this configuration")


def converted(context: Context, artifact: Artifact, process: Process) -> Pretrained:
    """Load the network of a ``convert`` artifact. Raises ``ArtifactError`` if its files do not fit together."""
    from safetensors.torch import load_file

    from amdiff.diffusion.pretrained import Pretrained, build_unet

    path = context.store.file(artifact, "weights")
    about = read_json(context.store.file(artifact, "network"))
    try:
        return Pretrained(build_unet(about["unet"], load_file(path)), about["prediction"], process)
    except Exception as error:  # safetensors raises its own types
        raise ArtifactError(f"{path} does not hold the weights of its network ({error})") from None


def converted_parameters(store: Store, artifact: Artifact) -> int:
    """Number of parameters of the network in a ``convert`` artifact."""
    return int(read_json(store.file(artifact, "network"))["parameters"])
