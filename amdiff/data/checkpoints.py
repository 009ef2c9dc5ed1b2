"""Reads the weights of pretrained models from checkpoint files of many layouts. No code in the files is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amdiff.errors import DataError
from amdiff.tensors import stored_weights

from .pretrained import ForeignModel
from .tally import named

if TYPE_CHECKING:
    from torch import Tensor

_INNER = ("shadow", "shadow_params", "ema_model", "ema", "model", "module", "params", "state_dict")
"""Keys on the second level of a checkpoint that may hold tensors by name."""
_NEUTRAL = ("state_dict", "module", "params", "network", "net", "unet", "weights")
"""Keys that do not tell whether they hold the moving average of the weights or the last weights."""
_AVERAGED = re.compile(r"(^|[^a-z])(ema|emamodel|shadow|shadow_params|averaged?|avg)([^a-z]|$)")
_MODULES = frozenset({
    "down", "mid", "up", "temb", "conv_in", "norm_out", "conv_out",
    "down_blocks", "mid_block", "up_blocks", "time_embedding", "conv_norm_out",
})  # fmt: skip
"""Names of modules of DDPM's U-Net, in its own layout and in the layout of diffusers."""


def read_tensors(model: ForeignModel, which: str, notes: list[str] | None = None) -> dict[str, Tensor]:
    """The weights of a model by name, in float32.

    A checkpoint may hold several sets of weights: ``which`` chooses 'ema', the moving average, or 'model', the last
    weights. A sentence about each assumption is appended to ``notes``. Raises ``DataError`` if the file holds no such
    weights or several.
    """
    notes = notes if notes is not None else []
    if not model.checkpoint:
        parts = [_by_name(stored_weights(path)) or {} for path in model.weights]
        return {name: tensor.float().contiguous() for part in parts for name, tensor in part.items()}
    (path,) = model.weights
    stored = stored_weights(path)
    try:
        chosen = (
            _from_list(stored, which, notes) if isinstance(stored, (list, tuple)) else _chosen(stored, which, notes)
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return {name: tensor.float().contiguous() for name, tensor in chosen.items()}


@dataclass(frozen=True)
class _Found:
    """The tensors of one network in a file."""

    keys: tuple[str, ...]
    """Keys of the file that lead to the tensors."""
    prefixes: tuple[str, ...]
    """Prefixes that wrappers put before the names of the tensors."""
    tensors: dict[str, Tensor]
    """The tensors, without the prefixes."""
    told: bool | None = None
    """Whether this is the average, if a wrapper of an average and one of its network lie side by side; else None."""

    @property
    def name(self) -> str:
        return ".".join((*self.keys, *self.prefixes))

    @property
    def averaged(self) -> bool:
        """Whether a key or a prefix says that these weights are an average."""
        return self.told if self.told is not None else any(map(_is_averaged, (*self.keys, *self.prefixes)))

    @property
    def neutral(self) -> bool:
        """Whether nothing tells if these are the averaged or the last weights."""
        return not self.averaged and all(key in _NEUTRAL for key in self.keys)

    @property
    def network(self) -> bool:
        """Whether the names are those of a U-Net's modules."""
        return bool(_MODULES & set(_first_parts(self.tensors)))


def _chosen(stored: Any, which: str, notes: list[str]) -> dict[str, Tensor]:
    """The tensors by name in a stored object: the averaged or the last weights, as ``which`` says.

    Raises ``DataError``.
    """
    if not isinstance(stored, Mapping):
        raise DataError(f"holds a {type(stored).__name__}, no tensors by name")
    every = list(_networks(stored, ()))
    found = [one for one in every if one.network] or every  # a loss or a metric may have weights too
    wanted = [one for one in found if one.averaged == (which == "ema")]
    exact = [one for one in wanted if one.keys[:1] == (which,)]
    if len(exact) == 1:
        return exact[0].tensors
    if len(wanted) == 1:
        notes += [_EITHER] if len(found) == 1 and found[0].neutral else []
        return wanted[0].tensors
    if len(wanted) > 1:
        names = named(one.name for one in wanted)
        raise DataError(f"has several sets of weights under {names}; it is not clear which to use; keep one per file")
    hidden = [str(key) for key in stored if _is_averaged(str(key))]
    hidden += [part for one in every for part in (*one.keys, *one.prefixes) if _is_averaged(part)]
    if which == "ema" and hidden:
        raise DataError(
            f"holds an average under {hidden[0]!r}, not as tensors by the network's names; save the averaged network's "
            "state_dict, or set 'weights: model'"
        )
    if len(found) == 1 and found[0].neutral:
        notes.append(_EITHER)
        return found[0].tensors
    if found:
        hint = "'weights: model'" if which == "ema" else "'weights: ema'"
        names = named(repr(one.name) for one in found)
        raise DataError(f"holds weights under {names}, none under {which!r}; set {hint}, or save the network alone")
    raise DataError(f"holds no tensors by name, nor under {which!r}; it has: {named(stored)}")


_EITHER = "the file holds one set of weights, which may be the moving average or the last"


def _from_list(stored: Sequence[Any], which: str, notes: list[str]) -> dict[str, Tensor]:
    """The weights in a list such as [model, optimizer, epoch, step, average].

    The first network is taken for the last weights, the last network for their average. Raises ``DataError``.
    """
    networks = [part for part in stored if _by_name(part) is not None]
    if not networks:
        raise DataError(f"holds a {type(stored).__name__} without tensors by name")
    if len(networks) == 1:
        return _chosen({"state_dict": networks[0]}, which, notes)
    notes.append(
        "of the networks in the file's list the first is taken for the last weights, the last for their average"
    )
    return _chosen({which: networks[-1 if which == "ema" else 0]}, which, notes)


def _is_averaged(name: str) -> bool:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return _AVERAGED.search(words) is not None


def _first_parts(tensors: Mapping[str, Tensor]) -> list[str]:
    return list(dict.fromkeys(name.partition(".")[0] for name in tensors))


def _networks(stored: Mapping[Any, Any], keys: tuple[str, ...]) -> Iterator[_Found]:
    """Every set of tensors by name in a stored object, at its top or below its keys."""
    if (whole := _by_name(stored)) is not None:
        yield from _unprefixed(_Found(keys, (), whole))
        return
    for key, value in stored.items():
        if isinstance(value, Mapping) and value and (not keys or key in _INNER):
            yield from _networks(value, (*keys, str(key)))


def _unprefixed(found: _Found) -> Iterator[_Found]:
    """The tensors under the network's own names, without the prefixes of wrappers.

    Some wrappers put one prefix before all names, such as 'module.' or '_orig_mod.'. Others hold two networks, and put
    'model.' before the names of one and 'ema_model.' before those of the other.
    """
    parts = _first_parts(found.tensors)
    if found.network or any("." not in name for name in found.tensors):
        yield found
        return
    groups: dict[str, dict[str, Tensor]] = {part: {} for part in parts}
    for name, tensor in found.tensors.items():
        part, _, inner = name.partition(".")
        groups[part][inner] = tensor
    sides = any(map(_is_averaged, parts)) and not all(map(_is_averaged, parts))
    for part, tensors in groups.items():
        told = _is_averaged(part) if sides else found.told
        others = [group for other, group in groups.items() if other != part]
        named_again = _dotted(tensors, others) if _is_averaged(part) else tensors
        yield from _unprefixed(_Found(found.keys, (*found.prefixes, part), named_again, told))


def _dotted(average: dict[str, Tensor], others: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """An average under the names of its network. The code of latent diffusion removes the dots from these names."""
    for group in others:
        flat = {name.replace(".", ""): name for name in group}
        if flat.keys() <= average.keys():
            return {name: average[without] for without, name in flat.items()}
    return average


def _by_name(stored: Any) -> dict[str, Tensor] | None:
    """The floating-point tensors by name, if the stored object is a mapping of names to tensors; else None."""
    import torch

    if not isinstance(stored, Mapping) or not stored:
        return None
    if not all(isinstance(value, torch.Tensor) for value in stored.values()):
        return None
    return {str(name): tensor for name, tensor in stored.items() if tensor.is_floating_point()}
