"""Approximate distances of two blocks of vectors: by FAISS on the CPU, by PyTorch on a GPU.

Both expand the norm, ``|x|^2 + |y|^2 - 2 x.y``, in float32: quick, and imprecise near zero. What is found here are
candidates, with a bound on the error; callers compute their distances again, directly. FAISS's wheels for GPUs have no
kernels for cards since the H100; PyTorch's have.
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
"""Distances that are on a GPU at a time, at most: with what finds the smallest, a few GiB."""


def float32_slack(dimension: int) -> float:
    """Rounding of a squared distance by norm expansion in float32, relative to the larger squared norm.

    Errors of a sum of ``dimension`` products grow as its root; the factor is generous, and no strict bound: the worst
    case grows with the dimension itself. TF32, which would be beyond, is off wherever ``choose_device`` was called.
    """
    return float(np.finfo(np.float32).eps) * max(64.0, 4.0 * dimension**0.5)


def nearest_candidates(
    left: Float32[np.ndarray, "q d"], right: Float32[np.ndarray, "b d"], count: int, *, device: str = "cpu"
) -> tuple[Float32[np.ndarray, "q c"], Int64[np.ndarray, "q c"]]:
    """Approximate squared distances and rows of the ``count`` nearest of ``right``, fewer where it has fewer.

    The nearest come first. ``device`` 'cpu' is FAISS, any other PyTorch's.
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
    """Rows (of ``left``, of ``right``) whose squared distance is at most ``squares``, and some a little beyond."""
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
    """Approximate squared distances of some rows of ``left`` to all of ``right``, (n, b), and the first of the rows."""
    import torch

    there = torch.from_numpy(right).to(device)
    norms = there.square().sum(dim=1)
    step = max(1, TILE // len(right))
    for start in range(0, len(left), step):
        some = torch.from_numpy(left[start : start + step]).to(device)
        yield start, torch.addmm(norms, some, there.T, alpha=-2).add_(some.square().sum(dim=1, keepdim=True))
