"""Attractors: samples that come back again and again.

The connected components of the radius graph of S' at delta_s. A component with no member within
delta_m of the training set, and at least two members, is a spurious attractor proper; one that
holds memorized samples is a memory, and the spurious samples in it are its halo. (The three
classes are the paper's; this split is ours.)
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
    """Label of each of ``count`` nodes, numbered by decreasing component size.

    ``pairs`` is a stream of edges; whenever about ``most`` are held they are replaced by a star
    around one node of each component, so memory stays bounded.
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
    """Components of a synthetic set with at least two members, largest first."""

    size: Int64[np.ndarray, " a"]
    """Occupancy: samples in the component."""
    memorized: Int64[np.ndarray, " a"]
    spurious: Int64[np.ndarray, " a"]
    """Samples of these classes; the two add up to ``size``."""
    representative: Int64[np.ndarray, " a"]
    """The member that has another sample nearest to it."""
    closest: Int64[np.ndarray, " a"]
    """The member that is nearest to the training set."""
    train_distance: Float64[np.ndarray, " a"]
    """Its distance to the training set."""

    @property
    def proper(self) -> np.ndarray:
        """Which are spurious attractors proper: no member is memorized."""
        return self.memorized == 0


def describe(
    labels: Int64[np.ndarray, " n"],
    classes: Int8[np.ndarray, " n"],
    to_train: Float64[np.ndarray, " n"],
    to_samples: Float64[np.ndarray, " n"],
) -> Attractors:
    """Sizes and kinds of the components; ``labels`` as ``components`` gives them."""
    size = np.bincount(labels)
    kept = int((size >= 2).sum())

    def first(key: np.ndarray) -> np.ndarray:
        """The member of each component with the smallest key."""
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
    """Which spurious samples lie in a component that holds memorized ones."""
    memory = np.zeros(labels.max(initial=-1) + 1, bool)
    memory[labels[classes == MEMORIZED]] = True
    return (classes == SPURIOUS) & memory[labels]
