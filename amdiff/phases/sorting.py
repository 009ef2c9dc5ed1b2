"""A synthetic set, sorted: classes with intervals, and attractors."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int8, Int64

from amdiff.config import FixedThresholds, HeldoutThresholds, ValleyThresholds
from amdiff.errors import AmdiffError
from amdiff.neighbors.arrays import embed_source
from amdiff.neighbors.knn import NeighborTable, nearest_neighbors
from amdiff.neighbors.radius import radius_pairs
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
"""Training images that stand for held-out ones, at most."""


@dataclass(frozen=True, repr=False)
class Phases(Shown):
    """The three classes of a synthetic set, at given thresholds."""

    classes: Int8[np.ndarray, " n"]
    """Of each sample: 0 memorized, 1 spurious, 2 generalized."""
    fractions: Fractions
    component: Int64[np.ndarray, " n"]
    """Of the radius graph of S' at delta_s: the samples of one are one attractor. The largest is 0."""
    attractors: Attractors
    """The components of at least two samples."""

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
) -> Phases:
    """Sort samples by their neighbours in S and in S' (eq. 9-11), and find their attractors.

    ``memory_mb`` bounds the blocks of the search for attractors, in MiB; ``device`` 'cuda' searches on a GPU. Raises
    ``ValueError`` for fewer than two samples or neighbours, or thresholds that are not positive.
    """
    classes = classify(to_train.nearest, to_samples.nearest, delta_m, delta_s)
    shares = fractions(classes, to_samples.index, to_samples.distance, delta_s, confidence)
    component = components(len(classes), radius_pairs(samples, delta_s, memory_mb=memory_mb, device=device))
    return Phases(classes, shares, component, describe(component, classes, to_train.nearest, to_samples.nearest))


@dataclass(frozen=True, repr=False)
class Sorted(Shown):
    """A synthetic set, measured, with thresholds of its own, and sorted."""

    tables: Tables
    thresholds: Pair
    phases: Phases
    fractions: Fractions
    """The shares, with the errors of the thresholds in their intervals; those of ``phases`` take these for known."""
    plausibility: Plausibility | None
    """How many samples lie farther from the training images than real images do; None where nothing tells."""
    heldout: bool
    """False where training images, each without itself, stood for held-out ones."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before the shares are trusted."""
        found = []
        if self.plausibility is not None and self.plausibility.implausible:
            found.append(implausible_sentence(self.plausibility.far))
        for name, threshold in (("delta_m", self.thresholds.delta_m), ("delta_s", self.thresholds.delta_s)):
            if threshold.reservation:
                found.append(f"{name}: {threshold.reservation}.")
        if not self.heldout:
            found.append(
                "No held-out images were given: training images, each without itself, stand for them, so near "
                "duplicates among these make the thresholds smaller."
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
    """Find thresholds and sort the samples into memorized, spurious and generalized.

    All sets are of one metric (``neighbors.embed``). ``thresholds`` is how they are found, ``valley`` by default;
    ``heldout`` are real images that the generator has not seen, of which ``valley`` and ``heldout`` thresholds need 20.
    Without them training images stand for real ones, at most 2,000, each compared with the others, so that near
    duplicates among them make thresholds smaller. ``k`` neighbours are kept. Warns of what limits the result (its
    ``notes``). Raises ``ValueError`` where there are too few samples or held-out images.
    """
    named = {"samples": samples, "train": train, "heldout": heldout}
    if wrong := [name for name, part in named.items() if not isinstance(part, Vectors | None)]:
        raise AmdiffError(f"{wrong[0]}: expected a set that neighbors.embed made, got {type(named[wrong[0]]).__name__}")
    if samples is train or heldout is samples or heldout is train:
        raise AmdiffError("samples, train and heldout are three sets, got one of them twice; embed each for itself")
    if samples.images.size < 2:
        raise AmdiffError(f"samples are compared with one another; got {samples.images.size}, at least 2 are needed")
    if k < 2:
        raise AmdiffError(f"intervals need two neighbours of each sample at least, got k = {k}")
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
