"""Approximate distances of two blocks of vectors by FAISS, on the CPU or on a GPU.

FAISS expands the norm, ``|x|^2 + |y|^2 - 2 x.y``, in float32: quick, and imprecise near zero. What is found here
are candidates, with a bound on the error; callers compute their distances again, directly.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import faiss
import numpy as np
from jaxtyping import Float32, Int64

GPU_LARGEST_K = 2048
"""FAISS on a GPU finds no more neighbours than this."""


def gpu_count() -> int:
    """GPUs that FAISS can use: 0 for a build without CUDA."""
    return int(faiss.get_num_gpus())


@cache
def _resources() -> Any:
    return faiss.StandardGpuResources()


def float32_slack(dimension: int) -> float:
    """Rounding of a squared distance by norm expansion in float32, relative to the larger squared norm.

    Errors of a sum of ``dimension`` products grow as its root; the factor is generous, and no strict bound: the worst
    case grows with the dimension itself. FAISS does not use TF32 on a GPU.
    """
    return float(np.finfo(np.float32).eps) * max(64.0, 4.0 * dimension**0.5)


def nearest_candidates(
    left: Float32[np.ndarray, "q d"], right: Float32[np.ndarray, "b d"], count: int, *, gpu: bool
) -> tuple[Float32[np.ndarray, "q c"], Int64[np.ndarray, "q c"]]:
    """Approximate squared distances and rows of the ``count`` nearest of ``right``, fewer where it has fewer."""
    count = min(count, len(right))
    if gpu and count <= GPU_LARGEST_K:
        return faiss.knn_gpu(_resources(), left, right, count)
    return faiss.knn(left, right, count)


def near_pairs(
    left: Float32[np.ndarray, "q d"], right: Float32[np.ndarray, "b d"], squares: float, *, gpu: bool
) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]:
    """Rows (of ``left``, of ``right``) whose squared distance is at most ``squares``, and some a little beyond."""
    largest = max(np.einsum("nd,nd->n", side, side).max() for side in (left, right))
    limit = float(squares + 2 * float32_slack(left.shape[1]) * float(largest))
    if gpu:
        found = np.nonzero(faiss.pairwise_distance_gpu(_resources(), left, right) <= limit)
        return found[0].astype(np.int64), found[1].astype(np.int64)
    index = faiss.IndexFlatL2(right.shape[1])
    index.add(right)
    limits, _, rows = index.range_search(left, limit)
    return np.repeat(np.arange(len(left)), np.diff(limits).astype(np.int64)), rows
