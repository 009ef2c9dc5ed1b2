"""Chooses the samples that a report shows for browsing, together with their neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from amdiff.config import METRICS, PanelsSpec
from amdiff.figures.browser import Browser, Sheet, Sorting, reduced
from amdiff.figures.gallery import Gallery
from amdiff.phases.classes import CLASSES
from amdiff.phases.copying import nearest_ratio

LARGEST_SIDE, SMALLEST_SIDE = 256, 32
"""Longest side of a picture to browse, in pixels. Larger pictures are reduced to the first number, and if room is short
down to the second."""
LEAST = 8
"""Pictures are reduced to make room only when the samples of each class and K are down to this number."""

Names = Callable[[Int64[np.ndarray, " n"]], list[str | None]]
"""Returns the file names of images, given their numbers; None for an image that was not read from a file."""

Orders = list[Int64[np.ndarray, " _"]]
"""The samples of one class in several orders: the clearest first, then by each quantity that the page can sort by."""


@dataclass(frozen=True)
class Sized:
    """One K: its samples by each metric. The first metric decides the class of a sample."""

    galleries: dict[str, Gallery]
    """Samples with their neighbours, by metric."""
    summaries: dict[str, dict[str, Any]]
    """Summary of the stage ``classify``, by metric."""


@dataclass(frozen=True)
class _Shown:
    """Numbers of the images that are shown for one K."""

    samples: Int64[np.ndarray, " m"]
    """Samples that the reader can browse."""
    beside: Int64[np.ndarray, " r"]
    """Further samples, which are neighbours of these."""
    train: Int64[np.ndarray, " t"]
    """Training images that are neighbours of the samples: rows of the canonical dataset."""

    @property
    def drawn(self) -> Int64[np.ndarray, " s"]:
        """All samples that are shown."""
        return np.concatenate([self.samples, self.beside])

    @property
    def pictures(self) -> int:
        """Number of pictures."""
        return len(self.samples) + len(self.beside) + len(self.train)

    def of_samples(self, numbers: np.ndarray) -> np.ndarray:
        """Places of samples among the pictures."""
        order = np.argsort(self.drawn, kind="stable")
        return order[np.searchsorted(self.drawn[order], numbers).clip(0, len(self.drawn) - 1)]

    def of_train(self, rows: np.ndarray) -> np.ndarray:
        """Places of training images among the pictures."""
        return len(self.drawn) + np.searchsorted(self.train, rows)


def browser(sizes: Mapping[int, Sized], spec: PanelsSpec, sample_names: Names, train_names: Names) -> Browser | None:
    """Build the browser of a report, with as many samples as the specification allows. None if it allows none.

    Parameters
    ----------
    sizes
        Samples of each K.
    spec
        Largest number of samples of each class, number of neighbours, and MiB that the pictures may take.
    sample_names
        Returns the file names of samples.
    train_names
        Returns the file names of training images.
    """
    if not spec.browse:
        return None
    channels, height, width = next(iter(next(iter(sizes.values())).galleries.values())).samples.shape[1:]
    orders = {
        size: [_orders(gallery, name) for gallery in sized.galleries.values() for name in CLASSES]
        for size, sized in sizes.items()
    }
    for wanted, side in _ways(spec.browse):
        shown = {
            size: _shown(sized.galleries.values(), orders[size], wanted, spec.neighbors)
            for size, sized in sizes.items()
        }
        factor = max(1, -(-max(height, width) // side))
        count = sum(one.pictures for one in shown.values())
        if count * channels * -(-height // factor) * -(-width // factor) <= spec.browse_mb * 2**20:
            break
    else:
        return None
    sheets = []
    for size, sized in sizes.items():
        names = [*sample_names(shown[size].drawn), *train_names(shown[size].train)]
        sheets.append(_sheet(size, sized, shown[size], factor, spec.neighbors, names))
    metrics = next(iter(sizes.values())).galleries
    return Browser(sheets, {metric: METRICS[metric].title for metric in metrics})


def _ways(browse: int) -> Iterator[tuple[int, int]]:
    """How much to show, as (samples of each class, longest side of a picture), from the most to the least.

    First the number of samples falls to ``LEAST``, then pictures become smaller, then the number falls further.
    """
    wanted = browse
    while wanted > LEAST:
        yield wanted, LARGEST_SIDE
        wanted = wanted * 3 // 4
    least = min(browse, LEAST)
    side = LARGEST_SIDE
    while side >= SMALLEST_SIDE:
        yield least, side
        side //= 2
    yield from ((count, SMALLEST_SIDE) for count in range(least - 1, 0, -1))


def _shown(galleries: Iterable[Gallery], orders: Iterable[Orders], wanted: int, neighbors: int) -> _Shown:
    """The images to show for one K if ``wanted`` samples of each class are shown."""
    chosen: dict[int, None] = {}
    for order in orders:
        chosen.update(dict.fromkeys(_chosen(order, wanted)))
    samples = np.array(list(chosen), np.int64)
    beside = np.concatenate([_there(g.near, samples, neighbors) for g in galleries])
    train = np.concatenate([_there(g.train, samples, neighbors) for g in galleries])
    return _Shown(samples, np.setdiff1d(beside, samples), np.unique(train))


def _orders(gallery: Gallery, name: str) -> Orders:
    ranked = gallery.ranked(name)
    keys = (gallery.to_train, gallery.to_samples, nearest_ratio(gallery.train[1], 1))
    return [ranked, *(ranked[np.argsort(key[ranked], kind="stable")] for key in keys)]


def _chosen(orders: Orders, wanted: int) -> list[int]:
    """Choose samples of one class: the first in each order, those next to the threshold, and the clearest."""
    ranked, *others = orders
    if len(ranked) <= wanted:
        return ranked.tolist()
    part = wanted // 5
    firsts = np.concatenate([ranked[len(ranked) - part :], *(order[:part] for order in others)])
    return list(dict.fromkeys([*firsts.tolist(), *ranked[:wanted].tolist()]))[:wanted]


def _there(table: tuple[np.ndarray, np.ndarray], samples: np.ndarray, neighbors: int) -> Int64[np.ndarray, " n"]:
    index, distance = (part[samples, :neighbors] for part in table)
    return index[np.isfinite(distance)].astype(np.int64)


def _sheet(size: int, sized: Sized, shown: _Shown, factor: int, neighbors: int, names: list[str | None]) -> Sheet:
    """The pictures of one K, reduced by ``factor``, with up to ``neighbors`` training images and samples for each one.

    ``names`` holds the file names of all pictures.
    """
    first = next(iter(sized.galleries.values()))
    images = np.concatenate([first.samples.rows(shown.drawn), first.dataset.rows(shown.train)])
    return Sheet(
        size,
        samples=len(shown.samples),
        images=reduced(images, factor),
        factor=factor,
        number=np.concatenate([shown.drawn, shown.train]),
        name=names,
        sortings={
            metric: _sorting(gallery, sized.summaries[metric], METRICS[metric].squared, shown, neighbors)
            for metric, gallery in sized.galleries.items()
        },
    )


def _sorting(gallery: Gallery, summary: dict[str, Any], squared: bool, shown: _Shown, neighbors: int) -> Sorting:
    """Classes and neighbours of the samples of a sheet, by one metric."""
    samples = shown.samples

    def side(
        table: tuple[np.ndarray, np.ndarray], place: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        index, distance = (part[samples, :neighbors] for part in table)
        return place(index).astype(np.int64), distance

    distance = gallery.train[1][samples]
    return Sorting(
        delta_m=summary["delta_m"],
        delta_s=summary["delta_s"],
        counts=np.bincount(gallery.classes, minlength=len(CLASSES)).tolist(),
        classes=gallery.classes[samples],
        attractor=gallery.attractor[samples].astype(np.float64),
        ratio=nearest_ratio(np.sqrt(distance) if squared else distance, 1),
        train=side(gallery.train, shown.of_train),
        near=side(gallery.near, shown.of_samples),
    )
