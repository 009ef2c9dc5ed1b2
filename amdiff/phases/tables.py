"""The tables of nearest neighbours that thresholds and classes are computed from (appendix B.2)."""

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
    """Nearest neighbours of samples and of held-out real images."""

    samples_to_train: NeighborTable
    """Nearest training images of each sample."""
    samples_to_samples: NeighborTable
    """Nearest other samples of each sample."""
    heldout_to_train: NeighborTable
    """Nearest training images of each held-out image. Where training images stand in for held-out ones, an image is not
    its own neighbour."""
    heldout_nearest: NeighborTable
    """Nearest other held-out images of each held-out image."""
    heldout_within: NeighborTable
    """Nearest other held-out images in the same half. The halves are the images 0, 2, 4, ..., which calibrate
    thresholds, and the images 1, 3, 5, ...."""

    def distances(self, size: int, rows: Int64[np.ndarray, " h"], *, stand_in: bool = False) -> Distances:
        """Return the nearest distances from these tables.

        ``size`` is the number K of training images. ``rows`` (h,) are the held-out images' numbers in the dataset; an
        image has the same number at every K of a sweep. ``stand_in`` tells whether training images stand in for
        held-out ones.
        """
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
    """Search for all tables of a synthetic set.

    Parameters
    ----------
    samples
        Samples as vectors, from ``neighbors.embed``.
    train
        Training images.
    heldout
        Held-out images.
    halves
        The parts ``CALIBRATION`` and ``REST`` of ``heldout``.
    k
        Number of neighbours in each table.
    itself
        Where training images stand in for held-out ones: the number (h,) of each in ``train``. Default None.
    search
        The function that finds neighbours, called as ``search(queries, database, k)``. Default ``nearest_neighbors``.
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
    """Join the tables of both halves, with rows in turns, and renumber the neighbours."""
    shape = (len(calibration.index) + len(rest.index), calibration.index.shape[1])
    both = NeighborTable(np.empty(shape, np.int64), np.empty(shape))
    for table, part in ((calibration, CALIBRATION), (rest, REST)):
        both.index[part] = np.where(table.index < 0, -1, part.start + part.step * table.index)
        both.distance[part] = table.distance
    return both
