"""Nearest neighbours as the thresholds and the three classes need them (appendix B.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Int64

from amdiff.neighbors.knn import NeighborTable, nearest_neighbors
from amdiff.neighbors.vectors import Vectors

from .distances import CALIBRATION, REST, Distances


@dataclass(frozen=True)
class Tables:
    """Neighbours of the samples, and of real images that are held out."""

    samples_to_train: NeighborTable
    """Of S' in S."""
    samples_to_samples: NeighborTable
    """Of S' in S' without the sample itself."""
    heldout_to_train: NeighborTable
    """Of held-out images in S; of training images that stand for them, without the image itself."""
    heldout_nearest: NeighborTable
    """Of held-out images among them, without the image itself."""
    heldout_within: NeighborTable
    """The same within the image's own half: every other one, of which the first calibrates thresholds."""

    def distances(self, size: int, rows: Int64[np.ndarray, " h"], *, stand_in: bool = False) -> Distances:
        """The nearest distances; ``rows`` tells which images are held out, alike for all K of a sweep."""
        near = {field.name: getattr(self, field.name).nearest for field in fields(self)}
        names = {"samples_to_train": "to_train", "samples_to_samples": "to_samples"}
        return Distances(
            size, **{names.get(name, name): d for name, d in near.items()}, heldout_rows=rows, stand_in=stand_in
        )


Search = Callable[[Vectors, Vectors, int], NeighborTable]


def measure(
    samples: Vectors,
    train: Vectors,
    heldout: Vectors,
    halves: Sequence[Vectors],
    k: int,
    *,
    itself: Int64[np.ndarray, " h"] | None = None,
    search: Search = nearest_neighbors,
) -> Tables:
    """All tables of a synthetic set, k neighbours each.

    ``halves`` are the parts ``CALIBRATION`` and ``REST`` of ``heldout``. ``itself``, where training images stand for
    held-out ones, is the number of each in ``train``. ``search`` is called for (queries, database, k).
    """
    return Tables(
        samples_to_train=search(samples, train, k),
        samples_to_samples=search(samples, samples, k),
        heldout_to_train=(
            search(heldout, train, k) if itself is None else search(heldout, train, k + 1).without(itself)
        ),
        heldout_nearest=search(heldout, heldout, k),
        heldout_within=_interleaved(*(search(half, half, k) for half in halves)),
    )


def _interleaved(calibration: NeighborTable, rest: NeighborTable) -> NeighborTable:
    """One table of both halves, row by row in turns, their neighbours renumbered."""
    shape = (len(calibration.index) + len(rest.index), calibration.index.shape[1])
    both = NeighborTable(np.empty(shape, np.int64), np.empty(shape))
    for table, part in ((calibration, CALIBRATION), (rest, REST)):
        both.index[part] = np.where(table.index < 0, -1, part.start + part.step * table.index)
        both.distance[part] = table.distance
    return both
