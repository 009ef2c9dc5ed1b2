"""Weights of others: tensors by name, in files of many layouts. No code in them is run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .images import DataError
from .pretrained import ForeignModel

if TYPE_CHECKING:
    from torch import Tensor

_INNER = ("shadow", "shadow_params", "ema_model", "model", "module", "params", "state_dict")
_AVERAGED = ("ema", "shadow", "average")
_NEUTRAL = ("state_dict", "module", "params", "network", "net", "unet", "weights")
_PREFIXES = ("_orig_mod.", "module.", "ema_model.", "model.")


def stored_weights(path: Path) -> Any:
    """What a .pth or .safetensors file holds.

    Of a pickle nothing but tensors, plain containers and ``argparse.Namespace`` is read. Raises ``DataError``.
    """
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals([argparse.Namespace]):  # the arguments of a training; plain data
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle, safetensors and torch each have their own
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as weights, or holds more than weights ({reason})") from None


def read_tensors(model: ForeignModel, which: str) -> dict[str, Tensor]:
    """The weights of a model, float32; of a checkpoint that has several the ones kept under ``which``.

    Raises ``DataError``.
    """
    tensors = _chosen(model.weights, stored_weights(model.weights), which)
    prefix = next((p for p in _PREFIXES if all(name.startswith(p) for name in tensors)), "")
    return {name.removeprefix(prefix): tensor.float().contiguous() for name, tensor in tensors.items()}


def _chosen(path: Path, stored: Any, which: str) -> dict[str, Tensor]:
    """The tensors by name in what was stored: of several the averaged ones, or the last. Raises ``DataError``."""
    if (whole := _by_name(stored)) is not None:
        return whole
    if not isinstance(stored, Mapping):
        raise DataError(f"{path}: holds a {type(stored).__name__}, no tensors by name")
    found = {str(key): tensors for key, value in stored.items() if (tensors := _unwrapped(value)) is not None}
    averaged = [key for key in found if any(word in key.lower() for word in _AVERAGED)]
    last = [key for key in found if key not in averaged]
    wanted, other = (averaged, last) if which == "ema" else (last, averaged)
    if which in wanted:
        return found[which]
    if len(wanted) == 1:
        return found[wanted[0]]
    if not wanted and which == "ema" and len(last) == 1 and last[0] in _NEUTRAL:
        return found[last[0]]  # a file with one set of weights, which may be either
    keys = ", ".join(map(str, list(stored)[:8]))
    if wanted:
        raise DataError(f"{path}: holds several sets of weights under {', '.join(wanted)}; keep one of them in a file")
    if other:
        hint = "'weights: model'" if which == "ema" else "'weights: ema'"
        raise DataError(f"{path}: holds weights under {', '.join(other)!r}, none under {which!r}; set {hint}")
    raise DataError(f"{path}: holds no tensors by name, nor under {which!r}; it has: {keys}")


def _by_name(stored: Any) -> dict[str, Tensor] | None:
    """Tensors by name, where that is what was stored."""
    import torch

    if not isinstance(stored, Mapping) or not stored:
        return None
    if not all(isinstance(value, torch.Tensor) for value in stored.values()):
        return None
    return {str(name): tensor for name, tensor in stored.items() if tensor.is_floating_point()}


def _unwrapped(stored: Any) -> dict[str, Tensor] | None:
    """Tensors by name in what was stored under one key, however it was wrapped."""
    if (whole := _by_name(stored)) is not None or not isinstance(stored, Mapping):
        return whole
    return next((found for key in _INNER if (found := _unwrapped(stored.get(key))) is not None), None)
