"""Finds the files of pretrained models, and reads what they say about the model. No code in the files is run."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amdiff.config import DiffusionSpec, PretrainedDenoiser
from amdiff.diffusion.diffusers_format import prediction_of, process_misfit, unet_misfit
from amdiff.errors import DataError

from .digests import digest_files
from .tally import named

_LATENT = ("vae", "vqvae", "vqgan", "movq", "first_stage_model")
"""Parts of a pipeline that decode latents to images."""

_WEIGHTS = "diffusion_pytorch_model*"
_CHECKPOINTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")


@dataclass(frozen=True)
class ForeignModel:
    """A pretrained model on disk: the folder of a diffusers model, or a checkpoint file."""

    weights: tuple[Path, ...]
    """The file of its weights, or the files if they come in parts."""
    files: tuple[tuple[str, Path], ...]
    """(name, file) of all files that decide what the model computes."""
    unet: dict[str, Any] | None = None
    """Content of ``config.json`` of a ``UNet2DModel``; None for a checkpoint file."""
    scheduler: dict[str, Any] | None = None
    """Content of ``scheduler_config.json`` of a pipeline; None if there is none."""
    notes: tuple[str, ...] = ()
    """What the files leave open, and what was assumed instead, a sentence each."""

    @property
    def checkpoint(self) -> bool:
        """Whether it is a checkpoint file, which holds tensors and no configuration."""
        return self.unet is None

    def predicts(self, stated: str | None) -> str:
        """What the network predicts: what the user ``stated``, or else what the scheduler says.

        A checkpoint file is taken to predict the noise, unless the user states otherwise, as networks in DDPM's
        published layout do (Ho et al. 2020). Raises ``DataError`` if nothing says what a network predicts, or if the
        scheduler and the user say different things.
        """
        told = None if self.scheduler is None else prediction_of(self.scheduler)
        if told is not None and stated not in (None, told):
            raise DataError(
                f"its scheduler says that the network predicts {told!r}, but 'prediction' says {stated!r}; leave "
                "'prediction' out, or correct it"
            )
        if (found := stated or told) is not None:
            return found
        if self.checkpoint:
            return "epsilon"
        raise DataError(
            f"nothing beside the network says what it predicts ({self.weights[0].parent}); set 'prediction' to "
            "what the network was trained to predict: 'epsilon' (the noise), 'v_prediction' or 'sample' (the image)"
        )

    def assumptions(self, stated: str | None) -> list[str]:
        """What had to be assumed about the model, a sentence each. ``stated`` is as for ``predicts``."""
        lines = list(self.notes)
        if self.scheduler is None and stated is None and self.checkpoint:
            lines.append("taken to predict the noise, as networks in DDPM's layout do; nothing in the file says so")
        if self.scheduler is None:
            lines.append("no file says its forward process; it is taken to be that of 'diffusion'")
        return lines


def find_model(path: Path, which: str = "ema") -> ForeignModel:
    """The model at a path, which is the folder of a pipeline or of a ``UNet2DModel``, or a checkpoint file.

    A folder may hold two sets of weights: ``which`` chooses 'ema', the moving average, or 'model', the last weights.
    Raises ``DataError`` if there is no such model.
    """
    if path.is_file():
        if path.suffix not in _CHECKPOINTS:
            raise DataError(f"{path}: is not a checkpoint; expected a file ending in one of {', '.join(_CHECKPOINTS)}")
        return ForeignModel((path,), ((path.suffix, path),))
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    home = _network_folder(path, which)
    # the scheduler of a pipeline lies beside the folder of the U-Net, or in the same folder; checkpoints of a training
    # lie in the folder of the pipeline that the training saves at its end
    top = path.parent if path.name in _NETWORKS and (path.parent / "model_index.json").is_file() else path
    index = top / "model_index.json"
    if index.is_file() and (parts := [part for part in _LATENT if json_object(index).get(part)]):
        raise DataError(
            f"{path}: is a {json_object(index).get('_class_name', 'pipeline')}, whose U-Net draws latents for its "
            f"{parts[0]!r}; a model that draws images is needed (to check its samples, audit a folder of them)"
        )
    config = home / "config.json"
    if not config.is_file():
        raise DataError(
            f"{path}: holds neither unet/config.json nor config.json; give the folder of a diffusers pipeline or of a "
            "UNet2DModel, or a checkpoint file"
        )
    weights, decisive, variant = _weight_files(home, which)
    notes = ["its weights are of half precision (fp16), rounded to 11 bits"] if variant == "fp16" else []
    told = index.is_file() or home.name == "unet_ema" or (path / "unet_ema").is_dir() or variant == _VARIANTS[which]
    if not told:
        notes.append("it holds one set of weights, which may be the moving average or the last")
    places = [top / "scheduler", top]
    if (top.parent / "model_index.json").is_file():
        places.append(top.parent / "scheduler")
    found = [place / "scheduler_config.json" for place in places]
    scheduler = next((file for file in found if file.is_file()), None)
    used = [config, *decisive, *([scheduler] if scheduler else [])]
    return ForeignModel(
        tuple(weights),
        tuple((Path(os.path.relpath(file, path)).as_posix(), file) for file in used),
        json_object(config),
        json_object(scheduler) if scheduler else None,
        tuple(notes),
    )


_NETWORKS = ("unet", "unet_ema")


def _network_folder(path: Path, which: str) -> Path:
    """The folder of the network within the folder of a model. Raises ``DataError`` if it holds only other weights."""
    there = [name for name in _NETWORKS if (path / name).is_dir()]
    if not there:
        return path
    wanted = "unet_ema" if which == "ema" and "unet_ema" in there else "unet"
    if wanted not in there:
        raise DataError(f"{path}: holds only unet_ema, the moving average; set 'weights: ema'")
    return path / wanted


_VARIANTS = {"ema": "ema", "model": "non_ema"}
"""Variant in the name of a file that holds averaged weights or the last weights."""


def _weight_files(home: Path, which: str) -> tuple[list[Path], list[Path], str]:
    """Files of the weights in a network's folder, the same files with their index if there is one, and their variant.

    Raises ``DataError`` if files are missing, or only other weights are there.
    """
    stem = "diffusion_pytorch_model"
    for variant in (_VARIANTS[which], "", "fp16"):
        dotted = f".{variant}" if variant else ""
        for suffix in ("safetensors", "bin"):
            whole, index = home / f"{stem}{dotted}.{suffix}", home / f"{stem}.{suffix}.index{dotted}.json"
            if whole.is_file():
                return [whole], [whole], variant
            if index.is_file():
                names = sorted(set(dict(json_object(index).get("weight_map", {})).values()))
                parts = [home / Path(str(name)).name for name in names]
                if missing := [part.name for part in parts if not part.is_file()]:
                    raise DataError(f"{home}: lacks {named(missing)}, which {index.name} names; copy the whole folder")
                return parts, [index, *parts], variant
    (instead,) = _VARIANTS.keys() - {which}
    if any(home.glob(f"{stem}.{_VARIANTS[instead]}.*")):
        raise DataError(f"{home}: holds only weights of variant {_VARIANTS[instead]!r}; set 'weights: {instead}'")
    raise DataError(f"{home}: holds no {stem}.safetensors or .bin, whole or in parts; save the model in this folder")


def json_object(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object. Raises ``DataError``."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from None


def model_path(spec: PretrainedDenoiser, size: int) -> Path:
    """Path of the model for K = ``size``. A model on the hub is downloaded. Raises ``DataError`` if this fails."""
    if spec.hub is None:
        return Path(str(spec.path).format(K=size))
    inside = (spec.file or "").format(K=size)
    file = inside.endswith(_CHECKPOINTS)
    below = f"{inside}/" if inside and not file else ""
    patterns = [inside] if file else [f"{below}{part}" for part in ("*.json", _WEIGHTS, "unet*/*", "scheduler/*")]
    if inside in _NETWORKS:
        patterns += ["model_index.json", "scheduler/*"]
    return from_hub(spec.hub, str(spec.revision), patterns) / inside


def from_hub(repository: str, revision: str, patterns: Sequence[str], *, download: bool = True) -> Path:
    """Folder with the files of one commit of a hub repository that match ``patterns``.

    Files that are not on this machine are downloaded. Raises ``DataError`` if the download fails, or if files are
    missing and ``download`` is False.
    """
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            repository, revision=revision, allow_patterns=list(patterns), local_files_only=not download
        )
    except Exception as error:  # the hub and its HTTP library each raise errors of their own
        raise DataError(
            f"{repository} at {revision} is not here and cannot be downloaded ({' '.join(str(error).split())}). "
            "Download it on a machine with network access, and give its folder as 'path' in place of 'hub'"
        ) from None
    return Path(found)


def model_digest(model: ForeignModel, known: dict[str, str]) -> str:
    """Digest of the names and contents of a model's files. ``known`` is the cache of ``source_digest``."""
    return digest_files(model.files, known)


def misfit(model: ForeignModel, shape: tuple[int, ...], diffusion: DiffusionSpec, stated: str | None) -> str | None:
    """Why a model cannot be used for images (C, H, W) with a forward process, as far as its files tell; else None.

    ``stated`` is what the model predicts according to the configuration.
    """
    if model.unet is not None and (problem := unet_misfit(model.unet, shape)):
        return problem
    if model.scheduler is not None and (problem := process_misfit(model.scheduler, diffusion)):
        return problem
    try:
        model.predicts(stated)
    except DataError as error:
        return f": {error}"
    return None
