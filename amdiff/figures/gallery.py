"""Chooses the samples of a panel: the clearest of a class, the nearest to the thresholds, visits to attractors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from amdiff.neighbors.sets import ImageSource
from amdiff.phases.classes import CLASSES, MEMORIZED, class_numbers, ordered

from .panels import Strip


class Gallery:
    """The classified samples of one K, with their pictures.

    ``table`` is the per-sample table of the stage ``classify``; ``samples`` and ``dataset`` give the pictures of the
    samples and of the training images.
    """

    def __init__(self, table: pa.Table, samples: ImageSource, dataset: ImageSource) -> None:
        self.samples, self.dataset = samples, dataset
        self.classes = class_numbers(table["class"].to_pylist())
        self.attractor = table["attractor"].to_numpy(zero_copy_only=False)
        self.train = _columns(table, "train")
        self.near = _columns(table, "sample")
        self.to_train = self.train[1][:, 0]
        self.to_samples = self.near[1][:, 0]

    def ranked(self, name: str) -> Int64[np.ndarray, " m"]:
        """Indices of the samples of a class, the clearest cases first."""
        return ordered(self.classes, self.to_train, self.to_samples, CLASSES.index(name))

    def variety(self, name: str) -> int:
        """Number of samples of a class, where those of one attractor count once."""
        return len(self.clearest(name, len(self.classes)))

    def clearest(self, name: str, most: int) -> list[int]:
        """The ``most`` clearest samples of a class, at most one from each attractor."""
        chosen: list[int] = []
        seen: set[float] = set()
        for sample in self.ranked(name):
            attractor = self.attractor[sample]
            if np.isnan(attractor) or attractor not in seen:
                seen.add(attractor)
                chosen.append(int(sample))
            if len(chosen) == most:
                break
        return chosen

    def borderline(self, delta_m: float, delta_s: float) -> list[int]:
        """Samples near each threshold: two just within it and one just beyond."""
        rest = self.classes != MEMORIZED
        chosen = []
        for values, delta, allowed in (
            (self.to_train, delta_m, np.ones_like(rest)),
            (self.to_samples, delta_s, rest),
        ):
            within = np.flatnonzero(allowed & (values <= delta))
            beyond = np.flatnonzero(allowed & (values > delta))
            chosen += [int(s) for s in within[np.argsort(-values[within], kind="stable")][:2]]
            chosen += [int(s) for s in beyond[np.argsort(values[beyond], kind="stable")][:1]]
        return list(dict.fromkeys(chosen))

    def strips(self, samples: list[int], neighbors: int) -> list[Strip]:
        """Samples with their nearest ``neighbors`` in S (training images) and in S' (samples)."""
        return [
            Strip(
                self.samples.rows(np.array([s]))[0],
                *self._neighbors(self.train, self.dataset, s, neighbors),
                *self._neighbors(self.near, self.samples, s, neighbors),
            )
            for s in samples
        ]

    def attractors(self, table: list[dict[str, Any]], most: int, visits: int) -> list[Any]:
        """The ``most`` largest spurious attractors in ``table``, the most visited first.

        For each: its label, up to ``visits`` samples of it, the nearest training image, and the distance to that image.
        """
        rows = []
        for entry in [a for a in table if a["kind"] == "spurious"][:most]:
            members = np.flatnonzero(self.attractor == entry["attractor"])
            order = members[np.argsort(self.to_samples[members], kind="stable")][:visits]
            closest = members[np.argmin(self.to_train[members])]
            nearest = self.dataset.rows(self.train[0][closest, :1])[0]
            label = f"{entry['size']} visits"
            rows.append((label, self.samples.rows(np.sort(order)), nearest, entry["train_distance"]))
        return rows

    @staticmethod
    def _neighbors(
        columns: tuple[np.ndarray, np.ndarray], source: ImageSource, sample: int, most: int
    ) -> tuple[np.ndarray, list[float]]:
        index, distance = columns[0][sample, :most], columns[1][sample, :most]
        there = np.isfinite(distance)
        return source.rows(index[there]), distance[there].tolist()


def _columns(table: pa.Table, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours (n, k) and distances (n, k) of a per-sample table. The distance is inf where there is no neighbour."""
    ranks = [name.rsplit("_", 1)[1] for name in table.column_names if name.startswith(f"{kind}_distance_")]
    index = [table[f"{kind}_neighbor_{r}"].fill_null(0).to_numpy() for r in ranks]
    distance = [table[f"{kind}_distance_{r}"].fill_null(np.inf).to_numpy() for r in ranks]
    return np.stack(index, axis=1), np.stack(distance, axis=1)
