"""Weights of others: tensors by name, in files of many layouts. No code in them is run."""

from __future__ import annotations

import argparse
import codecs
import re
import types
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from .images import DataError
from .pretrained import ForeignModel
from .tally import named

if TYPE_CHECKING:
    from torch import Tensor

_INNER = ("shadow", "shadow_params", "ema_model", "model", "module", "params", "state_dict")
_AVERAGED = ("ema", "shadow", "average")
_NEUTRAL = ("state_dict", "module", "params", "network", "net", "unet", "weights")
_MODULES = frozenset({
    "down", "mid", "up", "temb", "conv_in", "norm_out", "conv_out",
    "down_blocks", "mid_block", "up_blocks", "time_embedding", "conv_norm_out",
})  # fmt: skip
"""Modules of DDPM's U-Net, in its own layout and in that of diffusers."""


def plain_data() -> list[Any]:
    """What a pickle of weights may hold besides tensors: settings and numbers, nothing that runs.

    Pairs are a class and the name under which other versions knew it.
    """
    import numpy as np

    scalar, rebuilt = np._core.multiarray.scalar, np._core.multiarray._reconstruct  # type: ignore[attr-defined]
    return [
        argparse.Namespace, types.SimpleNamespace, (_dictionary, "collections.defaultdict"),
        (_sequence, "collections.deque"),
        dict, list, set, tuple, int, float, str, bool,
        scalar, (scalar, "numpy.core.multiarray.scalar"), rebuilt, (rebuilt, "numpy.core.multiarray._reconstruct"),
        np.dtype, np.ndarray,
        *(kind for name in np.dtypes.__all__ if isinstance(kind := getattr(np.dtypes, name), type)),
        codecs.encode, (codecs.encode, "_codecs.encode"),
        *((PurePosixPath, f"{module}.PosixPath") for module in ("pathlib", "pathlib._local")), PurePosixPath,
        *((PureWindowsPath, f"{module}.WindowsPath") for module in ("pathlib", "pathlib._local")), PureWindowsPath,
    ]  # fmt: skip


def _dictionary(*_: Any) -> dict[Any, Any]:
    """In place of a ``defaultdict``, into which torch puts nothing."""
    return {}


def _sequence(*_: Any) -> list[Any]:
    """In place of a ``deque``, into which torch puts nothing."""
    return []


def stored_weights(path: Path) -> Any:
    """What a .pth or .safetensors file holds.

    Of a pickle nothing but tensors and plain data is read. Raises ``DataError``.
    """
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(plain_data()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle, safetensors and torch each have their own
        raise DataError(f"{path}: {_reason(str(error))}") from None


def _reason(error: str) -> str:
    """Why a file was not read, without torch's advice to switch its safety off."""
    if kind := re.search(r"GLOBAL ([\w.]+)", error):
        return (
            f"cannot be read as weights: it holds {kind[1]!r}, which is neither weights nor plain data; save the "
            "weights alone, as by torch.save(network.state_dict(), 'weights.pt')"
        )
    plain = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", error).split())
    _, marker, what = plain.partition("WeightsUnpickler error:")
    said = (what if marker else plain).strip().split(" Please ")[0].split(". ")[0]
    return f"cannot be read as weights, or is not whole ({said or 'no reason was given'})"


def read_tensors(model: ForeignModel, which: str, notes: list[str] | None = None) -> dict[str, Tensor]:
    """The weights of a model, float32; of a checkpoint that has several the ones kept under ``which``.

    ``notes`` hears what had to be assumed. Raises ``DataError``.
    """
    notes = notes if notes is not None else []
    if not model.checkpoint:
        parts = [_by_name(stored_weights(path)) or {} for path in model.weights]
        return {name: tensor.float().contiguous() for part in parts for name, tensor in part.items()}
    (path,) = model.weights
    tensors = _one_network(path, _chosen(path, stored_weights(path), which, notes), which, notes)
    return {name: tensor.float().contiguous() for name, tensor in tensors.items()}


def _chosen(path: Path, stored: Any, which: str, notes: list[str]) -> dict[str, Tensor]:
    """The tensors by name in what was stored: of several the averaged ones, or the last. Raises ``DataError``."""
    if (whole := _by_name(stored)) is not None:
        return whole
    if isinstance(stored, (list, tuple)):
        networks = [tensors for part in stored if (tensors := _by_name(part)) is not None]
        if not networks:
            raise DataError(f"{path}: holds a {type(stored).__name__} without tensors by name")
        if len(networks) == 1:
            notes.append(_EITHER)
        return networks[-1 if which == "ema" else 0]
    if not isinstance(stored, Mapping):
        raise DataError(f"{path}: holds a {type(stored).__name__}, no tensors by name")
    found = {str(key): tensors for key, value in stored.items() if (tensors := _unwrapped(value)) is not None}
    averaged = [key for key in found if _is_averaged(key)]
    last = [key for key in found if key not in averaged]
    wanted, other = (averaged, last) if which == "ema" else (last, averaged)
    if which in wanted:
        return found[which]
    if len(wanted) == 1:
        return found[wanted[0]]
    if not wanted and which == "ema" and len(last) == 1 and last[0] in _NEUTRAL:
        if not any(_is_averaged(part) for part in _first_parts(found[last[0]])):
            notes.append(_EITHER)
        return found[last[0]]
    keys = named(stored)
    if wanted:
        raise DataError(f"{path}: holds several sets of weights under {named(wanted)}; keep one of them in a file")
    if other:
        hint = "'weights: model'" if which == "ema" else "'weights: ema'"
        raise DataError(f"{path}: holds weights under {named(other)!r}, none under {which!r}; set {hint}")
    raise DataError(f"{path}: holds no tensors by name, nor under {which!r}; it has: {keys}")


_EITHER = "the file holds one set of weights, which may be the moving average or the last"


def _is_averaged(name: str) -> bool:
    return any(word in name.lower() for word in _AVERAGED)


def _first_parts(tensors: Mapping[str, Tensor]) -> list[str]:
    return list(dict.fromkeys(name.partition(".")[0] for name in tensors))


def _one_network(path: Path, tensors: dict[str, Tensor], which: str, notes: list[str]) -> dict[str, Tensor]:
    """Tensors under the names that the network itself gives them.

    Wrappers put parts before the names: 'module.' and '_orig_mod.' before all of them, or 'model.' before one network's
    and 'ema_model.' before another's. Raises ``DataError`` where several networks remain.
    """
    while True:
        parts = _first_parts(tensors)
        if _MODULES & set(parts) or any("." not in name for name in tensors):
            return tensors
        groups = {
            part: {n[len(part) + 1 :]: t for n, t in tensors.items() if n.startswith(f"{part}.")} for part in parts
        }
        if len(groups) > 1:  # losses and metrics that have weights lie beside the network
            groups = {p: g for p, g in groups.items() if any(_MODULES & set(n.split(".")) for n in g)} or groups
        if len(groups) > 1:
            wanted = {p: g for p, g in groups.items() if _is_averaged(p) == (which == "ema")}
            if len(wanted) != 1:
                raise DataError(
                    f"{path}: the names of its tensors begin with {named(f'{p}.' for p in parts)}, and it is not clear "
                    f"which are meant by {which!r}; save the tensors of one network alone"
                )
            groups = wanted
        (tensors,) = groups.values()


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
