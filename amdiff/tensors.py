"""Reading files of weights. Only tensors and plain data are read, and no code in the file runs."""

from __future__ import annotations

import argparse
import codecs
import re
import types
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from amdiff.errors import DataError


def plain_data() -> list[Any]:
    """Types that a pickle of weights may hold besides tensors. They are settings and numbers, and run no code.

    A pair holds a type and the name by which a pickle may refer to it.
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
    """Stands in for a ``defaultdict``, which torch refuses to fill."""
    return {}


def _sequence(*_: Any) -> list[Any]:
    """Stands in for a ``deque``, which torch refuses to fill."""
    return []


def stored_weights(path: Path) -> Any:
    """The contents of a .pth or .safetensors file.

    Only tensors and plain data are read from a pickle. Raises ``DataError`` if the file cannot be read as weights.
    """
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(plain_data()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle, safetensors and torch each raise their own errors
        raise DataError(f"{path}: {_reason(str(error))}") from None


def _reason(error: str) -> str:
    """Why a file was not read, without torch's advice to switch off its safety check."""
    if kind := re.search(r"GLOBAL ([\w.]+)", error):
        return (
            f"cannot be read as weights: it holds {kind[1]!r}, which is neither weights nor plain data; save the "
            "weights alone, for example by torch.save(network.state_dict(), 'weights.pt')"
        )
    plain = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", error).split())
    _, marker, what = plain.partition("WeightsUnpickler error:")
    said = (what if marker else plain).strip().split(" Please ")[0].split(". ")[0]
    return f"cannot be read as weights, or is not whole ({said or 'no reason was given'})"
