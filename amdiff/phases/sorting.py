"""Sort a synthetic set: find its classes with intervals, and its attractors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int8, Int64

from amdiff.config import FixedThresholds, HeldoutThresholds, ValleyThresholds
from amdiff.errors import AmdiffError
from amdiff.neighbors.arrays import embed_source
from amdiff.neighbors.knn import NeighborTable, nearest_neighbors
from amdiff.neighbors.radius import RadiusCounts, distinct_pairs
from amdiff.neighbors.sets import Selection
from amdiff.neighbors.vectors import Vectors

from .attractors import Attractors, components, describe
from .classes import CLASSES, Fractions, classify, fractions
from .distances import CALIBRATION, REST, Pair
from .plausibility import Plausibility, implausible_sentence, plausibility
from .shown import Shown, percent
from .tables import Tables, measure
from .thresholds import find_thresholds
from .uncertainty import fold_fractions

MOST_HELDOUT = 2000
"""Largest number of training images that stand in for held-out ones."""


@dataclass(frozen=True, repr=False)
class Phases(Shown):
    """The classes and attractors of a synthetic set, at given thresholds."""

    classes: Int8[np.ndarray, " n"]
    """Class of each sample: 0 memorized, 1 spurious, 2 generalized."""
    fractions: Fractions
    """Shares of the three classes. Their intervals take the thresholds as known exactly."""
    component: Int64[np.ndarray, " n"]
    """Number of the component that each sample belongs to, in the graph that joins samples at a distance of at most
    delta_s. The samples of one component are one attractor. Component 0 is the largest."""
    attractors: Attractors
    """The components that have at least two samples."""

    def _about(self) -> str:
        return f"{len(self.classes):,} samples, sorted at given thresholds"

    def _rows(self) -> list[tuple[str, str]]:
        proper = int(self.attractors.proper.sum())
        counts = f"{len(self.attractors.size) - proper:,} around memories, {proper:,} spurious"
        return [*((name, percent(self.fractions[name])) for name in CLASSES), ("attractors", counts)]


def sort_at(
    samples: Vectors,
    to_train: NeighborTable,
    to_samples: NeighborTable,
    delta_m: float,
    delta_s: float,
    *,
    confidence: float = 0.95,
    memory_mb: float = 1024,
    device: str = "cpu",
    counts: RadiusCounts | None = None,
) -> Phases:
    """Sort samples at given thresholds by their nearest neighbours (eq. 9-11), and find their attractors.

    Parameters
    ----------
    samples
        Samples as vectors, from ``neighbors.embed``; at least two.
    to_train
        Nearest training images of each sample, from ``neighbors.nearest_neighbors``.
    to_samples
        Nearest other samples of each sample; at least two neighbours for each.
    delta_m
        A sample is memorized where its distance to the training set is at most this, in the metric's unit.
    delta_s
        Any other sample is spurious where its distance to another sample is at most this, in the metric's unit.
    confidence
        Level of the intervals, between 0 and 1. Default 0.95.
    memory_mb
        Bound on the memory of the search for attractors, in MiB. Default 1024.
    device
        'cpu' (the default), or 'cuda' to search on a GPU.
    counts
        Counts the neighbours of each sample within its radii, by the same search. Default None.

    Raises
    ------
    ValueError
        Where there are fewer than two samples, or fewer than two neighbours of each, and for a threshold that is not
        positive.
    """
    classes = classify(to_train.nearest, to_samples.nearest, delta_m, delta_s)
    shares = fractions(classes, to_samples.index, to_samples.distance, delta_s, confidence)
    images = samples.images

    def pairs() -> Iterator[tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]]:
        yield images.first[images.group], np.arange(images.size)
        radius = max((delta_s, *(counts.radii if counts else ())))
        for a, b, distance in distinct_pairs(samples, radius, memory_mb=memory_mb, device=device):
            if counts:
                counts.add(a, b, distance)
            near = distance <= delta_s
            yield images.first[a[near]], images.first[b[near]]

    component = components(len(classes), pairs())
    return Phases(classes, shares, component, describe(component, classes, to_train.nearest, to_samples.nearest))


@dataclass(frozen=True, repr=False)
class Sorted(Shown):
    """What ``sort_samples`` finds for a synthetic set."""

    tables: Tables
    """Nearest neighbours of samples and held-out images."""
    thresholds: Pair
    """The thresholds that the set was sorted at."""
    phases: Phases
    """Class and component of each sample, and the attractors."""
    fractions: Fractions
    """Shares of the three classes. Their intervals include the errors of the thresholds; those of ``phases`` do not."""
    plausibility: Plausibility | None
    """How many samples lie farther from the training images than real images do; None with fewer than 20 held-out
    images."""
    heldout: bool
    """Whether held-out images were given. Where they were not, training images stood in for them."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know before trusting the shares; ``sort_samples`` gives the same as warnings."""
        found = []
        if self.plausibility is not None and self.plausibility.implausible:
            found.append(implausible_sentence(self.plausibility.far))
        for name, threshold in (("delta_m", self.thresholds.delta_m), ("delta_s", self.thresholds.delta_s)):
            if threshold.reservation:
                found.append(f"{name}: {threshold.reservation}.")
        if not self.heldout:
            found.append(
                "No held-out images were given, so training images stand in for them; each is compared with the other "
                "training images. Near duplicates among the training images make the thresholds smaller."
            )
        return tuple(found)

    def _about(self) -> str:
        return f"{len(self.phases.classes):,} samples, sorted"

    def _rows(self) -> list[tuple[str, str]]:
        shares = [(name, percent(self.fractions[name])) for name in CLASSES]
        both = (("delta_m", self.thresholds.delta_m), ("delta_s", self.thresholds.delta_s))
        return shares + [(name, f"{t.value:.4g} [{t.low:.4g}, {t.high:.4g}] by {t.method}") for name, t in both]


def sort_samples(
    samples: Vectors,
    train: Vectors,
    heldout: Vectors | None = None,
    *,
    thresholds: FixedThresholds | HeldoutThresholds | ValleyThresholds | None = None,
    k: int = 5,
    memory_mb: float = 1024,
) -> Sorted:
    """Find thresholds, and sort samples into memorized, spurious and generalized ones.

    All sets must have been embedded with the same metric. The ``notes`` of the result tell what limits it; each is also
    given as a warning.

    Parameters
    ----------
    samples
        Samples as vectors, from ``neighbors.embed``; at least two.
    train
        Training images of the generator.
    heldout
        Real images that the generator has not seen. The methods ``valley`` and ``heldout`` need at least 20 of them.
        None (the default): up to 2,000 training images stand in for them. Each is then compared with the other training
        images, so near duplicates among the training images make the thresholds smaller.
    thresholds
        How to find the thresholds. Default None: the method ``valley`` with its default options.
    k
        Number of nearest neighbours that are kept; at least two. Default 5.
    memory_mb
        Bound on the memory of each search for neighbours, in MiB. Default 1024.

    Raises
    ------
    ValueError
        Where a set was not made by ``neighbors.embed`` or is given twice, where there are too few samples or held-out
        images, and for ``k`` < 2.
    """
    named = {"samples": samples, "train": train, "heldout": heldout}
    if wrong := [name for name, part in named.items() if not isinstance(part, Vectors | None)]:
        raise AmdiffError(f"{wrong[0]}: expected a set that neighbors.embed made, got {type(named[wrong[0]]).__name__}")
    if samples is train or heldout is samples or heldout is train:
        raise AmdiffError("samples, train and heldout must be three sets, got one of them twice; embed each of them")
    if samples.images.size < 2:
        raise AmdiffError(f"samples are compared with one another; got {samples.images.size}, at least 2 are needed")
    if k < 2:
        raise AmdiffError(f"intervals need at least two neighbours of each sample, got k = {k}")
    itself = None
    if heldout is None:
        itself = np.random.default_rng(0).permutation(train.images.size)[:MOST_HELDOUT]
        heldout = _part(train, itself)
    count = heldout.images.size
    halves = [_part(heldout, np.arange(count)[part]) for part in (CALIBRATION, REST)]

    def search(queries: Vectors, database: Vectors, wanted: int) -> NeighborTable:
        return nearest_neighbors(queries, database, wanted, memory_mb=memory_mb)

    tables = measure(samples, train, heldout, halves, k, itself=itself, search=search)
    spec = thresholds or ValleyThresholds(method="valley")
    distances = tables.distances(train.images.size, np.arange(count), stand_in=itself is not None)
    (pair,) = find_thresholds([distances], spec)
    phases = sort_at(
        samples,
        tables.samples_to_train,
        tables.samples_to_samples,
        pair.delta_m.value,
        pair.delta_s.value,
        confidence=spec.confidence,
        memory_mb=memory_mb,
    )
    to_train, to_samples = tables.samples_to_train.nearest, tables.samples_to_samples.nearest
    shares = fold_fractions(phases.fractions, to_train, to_samples, pair)
    plausible = plausibility(to_train, tables.heldout_to_train.nearest, spec.confidence)
    found = Sorted(tables, pair, phases, shares, plausible, itself is None)
    for note in found.notes:
        warnings.warn(note, stacklevel=2)
    return found


def _part(whole: Vectors, rows: Int64[np.ndarray, " n"]) -> Vectors:
    return embed_source(Selection(whole.images.source, rows), whole.embedding)
