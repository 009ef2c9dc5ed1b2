"""What an audit is asked, and the configuration that it means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amdiff.config import ConfigError
from amdiff.data.images import DataError
from amdiff.data.own import array_type, folder_files
from amdiff.data.pictures import opened
from amdiff.data.pretrained import find_model

NAME = "audit"
"""Of the experiment."""


@dataclass(frozen=True)
class Audit:
    """What is asked for."""

    train: Path
    """Training images: a folder, .npy, .npz or HDF5."""
    synthetic: Path
    """Samples: the same, or the folder of a diffusers pipeline, which samples."""
    heldout: Path | None = None
    """Real images that are no training data."""
    metrics: tuple[str, ...] = ("pixels",)
    """The first decides; the report shows all."""
    out: Path = Path("audit")
    fail_above: float | None = None
    """Share of memorized samples above which the exit status is 1."""
    samples: int | None = None
    """Samples that a pipeline draws; None for 1,000."""
    resize: int | None = None
    crop: bool = False
    """Centre crop to the largest square."""
    values: tuple[float, float] | None = None
    """The values of arrays that mean black and white."""
    key: str | None = None
    """Name of the array in files that hold several."""


def configuration(asked: Audit) -> dict[str, Any]:
    """The experiment that the arguments mean, its sizes left open. Raises ``ConfigError`` where they cannot be used."""
    try:
        pipeline = (asked.synthetic / "model_index.json").is_file()
        sides = [asked.train, *([] if pipeline else [asked.synthetic]), *([asked.heldout] if asked.heldout else [])]
        _check_options(asked, sides, pipeline)
        channels = _channels(asked, sides)
        if asked.heldout is not None and asked.heldout.is_dir() != asked.train.is_dir():
            raise DataError(
                f"{asked.heldout}: give held-out images in the form of the training images, both folders or both arrays"
            )
        shared = {"resize": asked.resize, "crop": "square" if asked.crop else None}
        datasets = {"train": {**_dataset(asked, asked.train, channels, asked.heldout), **shared}}
        if pipeline:
            denoiser = {"kind": "pretrained", "path": str(asked.synthetic.resolve())}
            scheduler = find_model(asked.synthetic).scheduler or {}
            model = {
                "diffusion": {
                    "steps": scheduler.get("num_train_timesteps", 1000),
                    "beta_start": scheduler.get("beta_start", 1e-4),
                    "beta_end": scheduler.get("beta_end", 0.02),
                },
                "sampling": {"total": asked.samples or 1000},
                **dict.fromkeys(("basin", "curvature", "energy")),
            }
        else:
            denoiser = {"kind": "given", "samples": "synthetic"}
            datasets["synthetic"] = {
                **_dataset(asked, asked.synthetic, channels, None), **shared, "deduplicate": False,
            }  # fmt: skip
            model = {}
    except (DataError, OSError) as error:
        raise ConfigError(str(error)) from None
    experiment = {
        "dataset": "train",
        "denoiser": denoiser,
        "neighbors": {"metric": asked.metrics[0]},
        "also": [{"metric": metric} for metric in asked.metrics[1:]],
        "panels": {"columns": 12},
        "peers": {},
        **model,
    }
    return {"datasets": datasets, "experiments": {NAME: experiment}}


def _channels(asked: Audit, paths: list[Path]) -> int:
    """Channels of the images: an array's, else one where all images of all folders are gray. Raises ``DataError``."""
    arrays = [_layout(asked, path)[1] for path in paths if path.is_file()]
    if arrays:
        return arrays[0]
    return 1 if all(_is_gray(file) for path in paths for file in folder_files(path)) else 3


def _is_gray(file: Path) -> bool:
    with opened(str(file), file) as picture:
        return picture.mode in ("1", "L", "LA")


def _layout(asked: Audit, path: Path) -> tuple[str, int]:
    """Meaning of the axes of an array, and its channels. Raises ``DataError``."""
    shape, _ = array_type(path, asked.key)
    if len(shape) == 3:
        return "NHW", 1
    if len(shape) != 4:
        raise DataError(f"{path}: its array has the shape {shape}; expected (N, H, W), (N, C, H, W) or (N, H, W, C)")
    if shape[1] not in (1, 3) and shape[3] not in (1, 3):
        raise DataError(
            f"{path}: its array has the shape {shape}; of 4 axes one must have 1 or 3 channels (leave out alpha)"
        )
    last = shape[3] in (1, 3) and shape[1] not in (1, 3)
    return ("NHWC", shape[3]) if last else ("NCHW", shape[1])


def _dataset(asked: Audit, path: Path, channels: int, heldout: Path | None) -> dict[str, Any]:
    """The specification of a folder of images or of an array."""
    held = {} if heldout is None else {"heldout": str(heldout)}
    if path.is_dir():
        return {"kind": "folder", "path": str(path), "channels": channels, **held}
    layout, _ = _layout(asked, path)
    values = None if array_type(path, asked.key)[1] == np.uint8 else asked.values
    return {"kind": "arrays", "path": str(path), "key": asked.key, "layout": layout, "range": values, **held}


def _check_options(asked: Audit, sides: list[Path], pipeline: bool) -> None:
    """Every option decides something. Raises ``DataError``."""
    files = [path for path in sides if path.is_file()]
    if asked.key is not None and not files:
        raise DataError("--key: names an array of .npz and HDF5 files; there are folders only")
    if asked.values is not None and all(array_type(path, asked.key)[1] == np.uint8 for path in files):
        raise DataError("--values: is for arrays that are not uint8; there are none")
    if asked.samples is not None and not pipeline:
        raise DataError("--samples: is for a pipeline, which draws them; the samples are there")
