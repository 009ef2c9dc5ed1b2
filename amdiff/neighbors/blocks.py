"""Approximate distances between two blocks of vectors: by FAISS on the CPU, by PyTorch on a GPU.

Both compute ``|x|^2 + |y|^2 - 2 x.y`` in float32. This is quick, but imprecise near zero. So the functions here find
candidates, and ``float32_slack`` estimates the error. Callers compute the distances of candidates again, directly.

FAISS does not run on recent GPUs: its wheels have no kernels for the H100 and later cards. PyTorch has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import faiss
import numpy as np
from jaxtyping import Float32, Int64

if TYPE_CHECKING:
    from torch import Tensor

TILE = 2**27
"""Largest number of distances on a GPU at a time. With the search for the smallest ones, this takes a few GiB."""


def float32_slack(dimension: int) -> float:
    """Estimate the rounding error of a squared distance by norm expansion in float32, over the larger squared norm.

    The error of a sum of ``dimension`` products typically grows with the square root of ``dimension``. The factor here
    is generous, but it is not a strict bound: the worst case grows with ``dimension`` itself. The error of TF32 would
    be larger; TF32 is off wherever ``choose_device`` was called.
    """
    return float(np.finfo(np.float32).eps) * max(64.0, 4.0 * dimension**0.5)


def nearest_candidates(
    left: Float32[np.ndarray, "q d"], right: Float32[np.ndarray, "b d"], count: int, *, device: str = "cpu"
) -> tuple[Float32[np.ndarray, "q c"], Int64[np.ndarray, "q c"]]:
    """Find the ``count`` approximately nearest rows of ``right`` for each row of ``left``, the nearest first.

    Returns approximate squared distances and row numbers, (q, c) each, where c is ``count`` or the number of rows of
    ``right`` if that is smaller. ``device`` 'cpu' means FAISS; any other is a torch device.
    """
    count = min(count, len(right))
    if device == "cpu":
        return faiss.knn(left, right, count)
    squares = np.empty((len(left), count), np.float32)
    rows = np.empty((len(left), count), np.int64)
    for start, tile in _tiles(left, right, device):
        found = tile.topk(count, dim=1, largest=False)
        here = slice(start, start + len(tile))
        squares[here], rows[here] = found.values.cpu().numpy(), found.indices.cpu().numpy()
    return squares, rows


def near_pairs(
    left: Float32[np.ndarray, "q d"], right: Float32[np.ndarray, "b d"], squares: float, *, device: str = "cpu"
) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]:
    """Find all pairs of rows whose squared distance is at most ``squares``, and some slightly farther pairs.

    Returns the row numbers in ``left`` and in ``right``, (p,) each. ``device`` is as for ``nearest_candidates``.
    """
    largest = max(np.einsum("nd,nd->n", side, side).max() for side in (left, right))
    limit = float(squares + 2 * float32_slack(left.shape[1]) * float(largest))
    if device == "cpu":
        index = faiss.IndexFlatL2(right.shape[1])
        index.add(right)
        limits, _, rows = index.range_search(left, limit)
        return np.repeat(np.arange(len(left)), np.diff(limits).astype(np.int64)), rows
    i, j = [], []
    for start, tile in _tiles(left, right, device):
        near = (tile <= limit).nonzero().cpu().numpy()
        i.append(near[:, 0] + start)
        j.append(near[:, 1])
    return np.concatenate(i), np.concatenate(j)


def _tiles(
    left: Float32[np.ndarray, "q d"], right: Float32[np.ndarray, "b d"], device: str
) -> Iterator[tuple[int, Tensor]]:
    """Yield tiles of approximate squared distances, (n, b), from n rows of ``left`` to all rows of ``right``.

    Each tile comes after the number of its first row.
    """
    import torch

    there = torch.from_numpy(right).to(device)
    norms = there.square().sum(dim=1)
    step = max(1, TILE // len(right))
    for start in range(0, len(left), step):
        some = torch.from_numpy(left[start : start + step]).to(device)
        yield start, torch.addmm(norms, some, there.T, alpha=-2).add_(some.square().sum(dim=1, keepdim=True))
