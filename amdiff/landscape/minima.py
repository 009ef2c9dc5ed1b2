"""Find the minima of an energy on a grid, each with its depth.

The depth of a minimum is the climb that is needed to reach a deeper one. It is the persistence of the minimum as
sublevel sets grow. Ripples of the size of the integrator's error have hardly any depth.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from amdiff.errors import AmdiffError


class Minimum(NamedTuple):
    """A local minimum of an energy on a grid."""

    row: int
    column: int
    energy: float
    depth: float
    """The climb that is needed to reach a deeper minimum; infinite for the deepest one."""


def grid_minima(energy: Float[np.ndarray, "rows columns"], min_depth: float) -> list[Minimum]:
    """Return the minima that are at least ``min_depth`` deep, the lowest first.

    Each point of the grid is compared with its eight neighbours. Raises ``ValueError`` where an energy is not finite.
    """
    if not np.isfinite(energy).all():
        raise AmdiffError("minima need an energy that is finite everywhere, got one that is NaN or infinite somewhere")
    rows, columns = energy.shape
    flat = energy.ravel()
    root = [-1] * len(flat)
    depth: dict[int, float] = {}

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for i in np.argsort(flat, kind="stable").tolist():
        r, c = divmod(i, columns)
        around = [
            a * columns + b
            for a in range(max(r - 1, 0), min(r + 2, rows))
            for b in range(max(c - 1, 0), min(c + 2, columns))
        ]
        meeting = sorted({find(j) for j in around if j != i and root[j] >= 0}, key=lambda j: flat[j])
        root[i] = meeting[0] if meeting else i
        for shallow in meeting[1:]:  # a shallower basin meets a deeper one here
            depth[shallow] = float(flat[i] - flat[shallow])
            root[shallow] = meeting[0]
        if not meeting:
            depth[i] = np.inf
    found = [
        Minimum(i // columns, i % columns, float(flat[i]), d) for i, d in depth.items() if d >= min_depth and d > 0
    ]
    return sorted(found, key=lambda m: m.energy)
