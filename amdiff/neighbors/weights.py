"""Weights of perceptual metrics: reads them from their sources and joins them into one set of tensors.

LPIPS needs two parts. The first is a network that was trained on ImageNet: torchvision's, downloaded or from a file
that you give. The second is the learned heads, which the ``lpips`` package contains. The package of the shift-tolerant
metric contains both parts.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from amdiff.catalogue.metrics import BACKBONE_FILES, Backbone, Metric, official_digest
from amdiff.errors import DataError
from amdiff.tensors import stored_weights

if TYPE_CHECKING:
    from torch import Tensor


def backbone_digest(backbone: Backbone, path: Path) -> str:
    """Return the first digits of the SHA-256 of a weights file.

    These are 8 digits for torchvision's file, which has them in its name, and 16 digits for any other file. Raises
    ``DataError`` if there is no such file.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; give torchvision's {BACKBONE_FILES[backbone]}")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    official = official_digest(backbone)
    return official if digest.startswith(official) else digest[:16]


def published_weights(metric: Metric, path: Path | None = None) -> dict[str, Tensor]:
    """Return the tensors of a perceptual metric, named ``features.<layer>.*`` and ``heads.<tap>``.

    ``path`` is a file with the weights of torchvision's network, which replaces the download. Raises ``DataError`` if
    the weights cannot be read.
    """
    backbone = metric.backbone
    if backbone is None:
        return _shift_tolerant("alex")
    heads = _packaged("lpips", f"weights/v0.1/{backbone}.pth", "lpips")
    network = _read(path) if path is not None else _official(backbone)
    features = {name: t for name, t in network.items() if name.startswith("features.")}
    if not features:
        raise DataError(
            f"{path}: holds no tensor named 'features.*'; expected a file such as torchvision's "
            f"{BACKBONE_FILES[backbone]}"
        )
    return _plain(
        features | {f"heads.{name.split('.')[0].removeprefix('lin')}": t.flatten() for name, t in heads.items()}
    )


def _shift_tolerant(backbone: str) -> dict[str, Tensor]:
    """Return the tensors of the shift-tolerant metric, without the blur filters, which are fixed.

    The package numbers the layers in one sequence across the slices of its network.
    """
    stored = _packaged("stlpips_pytorch", f"weights/vST0.0/{backbone}_shift_tolerant.pth", "stlpips-pytorch")
    found = {}
    for name, tensor in stored.items():
        parts = name.split(".")
        if parts[0] == "net" and parts[-1] != "filt":
            found[f"features.{parts[2]}.{parts[3]}"] = tensor
        elif parts[0].startswith("lin"):
            found[f"heads.{parts[0].removeprefix('lin')}"] = tensor.flatten()
    return _plain(found)


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensors[name].detach().float().contiguous().clone() for name in sorted(tensors)}


def _packaged(package: str, name: str, distribution: str) -> dict[str, Tensor]:
    """Return the tensors of a file inside an installed package. The package's code is not run."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise DataError(f"this metric's weights come with the package {distribution}; pip install {distribution}")
    return _read(Path(spec.origin).parent / name)


def _official(backbone: Backbone) -> dict[str, Tensor]:
    """Return torchvision's weights, from its cache or by download."""
    import torch

    name = BACKBONE_FILES[backbone]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / name
    try:
        if not cached.exists():
            cached.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(f"https://download.pytorch.org/models/{name}", str(cached))
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"the weights of LPIPS's network are not here and cannot be downloaded ({error}). Either put {name} into "
            f"{torch.hub.get_dir()}/checkpoints, or name a copy in the configuration, as 'backbones: {{{backbone}: "
            f"/path/to/{name}}}'; the metric 'stlpips-alex' needs no download"
        ) from None
    if backbone_digest(backbone, cached) != (official := official_digest(backbone)):
        raise DataError(
            f"{cached} is not torchvision's, or is damaged (its SHA-256 does not start with {official}); "
            "remove it, or name it under 'backbones' if you mean to use it"
        )
    return _read(cached)


def _read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .pth or .safetensors file. No code in it is run. Raises ``DataError``."""
    import torch

    stored = stored_weights(path)
    if not isinstance(stored, dict) or not all(isinstance(t, torch.Tensor) for t in stored.values()):
        raise DataError(f"{path}: is not a state dict, which maps names to tensors")
    return stored
