"""Basins of attraction."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import h5py
import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import BasinSpec, ExperimentSpec
from amdiff.figures import basin as words
from amdiff.figures.recovery import LastReturns, Returns
from amdiff.landscape.findings import BasinFinding, BasinTable, basin_finding
from amdiff.landscape.volumes import critical_times

from ..context import Context
from . import Part
from .stored import note_of, peak_of, stored_groups

MOST_TIMES, MOST_TARGETS = 20, 2
"""Largest numbers of times, and of targets of each class, for which a figure shows denoised copies."""


@dataclass
class _Basins:
    """Collects the results of all K. They are added one group of targets after the other."""

    spec: BasinSpec
    confidence: float
    found: dict[float, dict[str, dict[int, BasinFinding]]] = field(default_factory=dict)
    null: dict[str, dict[int, BasinFinding]] = field(default_factory=dict)
    """Results of a denoiser that predicts no noise, at delta itself."""
    deltas: dict[float, dict[int, float]] = field(default_factory=dict)
    returns: dict[int, list[Returns]] = field(default_factory=dict)
    last: dict[int, list[LastReturns]] = field(default_factory=dict)
    disagreements: list[float] = field(default_factory=list)
    """Differences between the critical times of a bisection and of a scan, in noise levels."""
    times: dict[int, list[int]] = field(default_factory=dict)
    """Noise levels at which ``returns`` shows denoised copies, by K."""

    @property
    def factors(self) -> tuple[float, ...]:
        """Factors by which delta is varied. A bisection finds critical times only at delta itself."""
        return (1.0,) if self.spec.search == "bisection" else self.spec.scan

    def add(self, size: int, file: h5py.File, name: str, own: h5py.Group) -> None:
        """Add the results of one artifact for one kind of targets.

        Parameters
        ----------
        size
            K.
        file
            The file of the artifact.
        name
            Kind of the targets: 'train' or a class.
        own
            The group of these targets in the file.
        """
        times, largest = file["times"][:], float(file.attrs["delta"])
        arrays = ("cluster", "distance", "squares", "products", "noise_squares")
        table = BasinTable(*(own[array][:] for array in arrays))
        for factor in self.factors:
            delta = largest * factor / self.factors[-1]
            self.deltas.setdefault(factor, {})[size] = delta
            finding = partial(
                basin_finding,
                times=times,
                alpha_bar=file["alpha_bar"][:],
                dimension=int(file.attrs["dimension"]),
                delta=delta,
                largest=largest,
                probability=self.spec.probability,
                confidence=self.confidence,
            )
            self.found.setdefault(factor, {}).setdefault(name, {})[size] = finding(table)
            if factor == 1.0:
                nothing = own["null_distance"][:]
                first = [own[array][: len(nothing)] for array in ("cluster", "squares", "products", "noise_squares")]
                self.null.setdefault(name, {})[size] = finding(BasinTable(first[0], nothing, *first[1:]))
        if self.spec.search == "bisection" and self.spec.check:
            self._compare(times, own["scanned"][:], table.distance, largest)
        self._watch(size, times, largest, name, own)

    def _compare(self, times: np.ndarray, scanned: np.ndarray, bisected: np.ndarray, delta: float) -> None:
        """Compare the critical times of a few targets between both searches."""
        few = min(self.spec.check, len(scanned))
        a, b = (
            times[critical_times(table[:few], delta, self.spec.probability, delta).index]
            for table in (scanned, bisected)
        )
        self.disagreements += abs(a - b).ravel().tolist()

    def _watch(self, size: int, times: np.ndarray, largest: float, name: str, own: h5py.Group) -> None:
        """Collect pictures of the denoised copies of the first targets."""
        scanned, back, images = own["scanned"][:], own["back"][:], own["images"][:]
        deltas = [self.deltas[factor][size] for factor in self.factors]
        cuts = [critical_times(scanned[:1], delta, self.spec.probability, largest) for delta in deltas]
        ends = [cut.index[0, 0] for cut in cuts]
        failed = np.array([cut.failed[0, 0] for cut in cuts])
        self.last.setdefault(size, []).append(
            LastReturns(size, self.deltas[1.0][size], name, images[0], back[0][ends], times[ends], failed)
        )
        shown = list(range(0, len(times), max(1, len(times) // MOST_TIMES)))[:MOST_TIMES]
        self.times[size] = times[shown].tolist()
        self.returns.setdefault(size, []).extend(
            Returns(name, images[i], back[i][shown], scanned[i, shown, 0]) for i in range(min(MOST_TARGETS, len(back)))
        )


def basin(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Log-volumes and critical times by class, at delta and at the other thresholds of the scan."""
    asked: Any = spec.basin
    basins = _Basins(asked, spec.thresholds.confidence)
    for size, file, name, own in stored_groups(context, artifact, "basin"):
        basins.add(size, file, name, own)
    peak = peak_of(context, artifact)
    content = words.Content(
        basins.found,
        basins.deltas,
        list(spec.first_sizes),
        basins.returns,
        basins.last,
        basins.times[peak],
        peak,
        note_of(basins.found[1.0], spec, asked),
        basins.null,
    )
    headline = words.basin_sentences(content.main, content.null)
    if off := basins.disagreements:
        headline.append(
            f"Basins were found by bisection; of {len(off):,} copies that were also scanned, "
            f"{sum(d > 0 for d in off) / len(off):.1%} have a different critical time, and the mean difference is "
            f"{sum(off) / len(off):.3g} noise levels."
        )
    tables = [words.basin_table(content.main, content.null), words.scan_table(content.found, content.deltas)]
    return Part(content, tables, headline)
