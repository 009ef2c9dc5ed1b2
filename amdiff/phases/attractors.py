"""Attractors: groups of samples that lie close together, because the model returns to the same image.

An attractor is a connected component of the graph that joins samples of S' at a distance of at most delta_s. A
component of at least two samples is a spurious attractor proper where no sample in it is memorized. A component with
memorized samples is a memory, and the spurious samples in it are its halo. (The three classes are the paper's; this
split of the spurious samples is ours.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float64, Int8, Int64

from .classes import MEMORIZED, SPURIOUS


def components(
    count: int, pairs: Iterable[tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]], most: int = 4_000_000
) -> Int64[np.ndarray, " n"]:
    """Return the number of the connected component that each node of a graph belongs to, (n,).

    Component 0 is the largest; components of the same size are ordered by their first node. ``count`` is the number n
    of nodes. ``pairs`` is a stream of edges: each item holds two arrays (p,), the numbers of the nodes that an edge
    joins. Whenever more than ``most`` edges are held, each component's edges are replaced by a star around one of its
    nodes, so memory stays bounded.
    """
    rows, columns = np.arange(count), np.arange(count)
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    held = 0

    def merge() -> tuple[np.ndarray, np.ndarray]:
        i = np.concatenate([rows, *(a for a, _ in waiting)])
        j = np.concatenate([columns, *(b for _, b in waiting)])
        edges = scipy.sparse.coo_array((np.ones(len(i), bool), (i, j)), shape=(count, count))
        _, labels = scipy.sparse.csgraph.connected_components(edges, directed=False)
        _, first = np.unique(labels, return_index=True)
        return np.arange(count), first[labels]

    for pair in pairs:
        waiting.append(pair)
        held += len(pair[0])
        if held > most:
            rows, columns = merge()
            waiting, held = [], 0
    _, root = merge()
    first, labels, sizes = np.unique(root, return_inverse=True, return_counts=True)
    rank = np.empty(len(first), np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(first))
    return rank[labels]


@dataclass(frozen=True)
class Attractors:
    """The components of a synthetic set that have at least two samples, largest first: one entry for each."""

    size: Int64[np.ndarray, " a"]
    """Occupancy: the number of samples in the component."""
    memorized: Int64[np.ndarray, " a"]
    """Number of memorized samples in the component."""
    spurious: Int64[np.ndarray, " a"]
    """Number of spurious samples in the component. Together with ``memorized`` it adds up to ``size``."""
    representative: Int64[np.ndarray, " a"]
    """Number of the sample in the component that has the smallest distance to another sample."""
    closest: Int64[np.ndarray, " a"]
    """Number of the sample in the component that is nearest to the training set."""
    train_distance: Float64[np.ndarray, " a"]
    """Distance of the sample ``closest`` to the training set, in the metric's unit."""

    @property
    def proper(self) -> np.ndarray:
        """Whether each component is a spurious attractor proper, so that none of its samples is memorized, (a,)."""
        return self.memorized == 0


def describe(
    labels: Int64[np.ndarray, " n"],
    classes: Int8[np.ndarray, " n"],
    to_train: Float64[np.ndarray, " n"],
    to_samples: Float64[np.ndarray, " n"],
) -> Attractors:
    """Describe the components that have at least two samples.

    ``labels`` are the numbers that ``components`` returns, ``classes`` those of ``classify``. ``to_train`` and
    ``to_samples`` are each sample's distances to the nearest training image and to the nearest other sample.
    """
    size = np.bincount(labels)
    kept = int((size >= 2).sum())

    def first(key: np.ndarray) -> np.ndarray:
        """Number of the sample with the smallest key in each component."""
        order = np.lexsort((np.arange(len(labels)), key, labels))
        return order[np.searchsorted(labels[order], np.arange(kept))]

    closest = first(to_train)
    return Attractors(
        size=size[:kept],
        memorized=np.bincount(labels[classes == MEMORIZED], minlength=len(size))[:kept],
        spurious=np.bincount(labels[classes == SPURIOUS], minlength=len(size))[:kept],
        representative=first(to_samples),
        closest=closest,
        train_distance=to_train[closest],
    )


def halo(labels: Int64[np.ndarray, " n"], classes: Int8[np.ndarray, " n"]) -> np.ndarray:
    """Return whether each sample is spurious and lies in a component that also holds memorized samples, (n,)."""
    memory = np.zeros(labels.max(initial=-1) + 1, bool)
    memory[labels[classes == MEMORIZED]] = True
    return (classes == SPURIOUS) & memory[labels]
