"""The energy landscape: basins, curvature, relative energy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np
from matplotlib.figure import Figure

from amdiff.artifacts import Artifact
from amdiff.config import BasinSpec, CurvatureSpec, EnergySpec, ExperimentSpec
from amdiff.figures import landscape as drawing, landscape_tables as words, pages, recovery as pictures
from amdiff.landscape.findings import (
    BasinFinding,
    BasinTable,
    DimensionFinding,
    GapFinding,
    basin_finding,
    dimension_finding,
    gap_finding,
)
from amdiff.landscape.targets import GROUPS
from amdiff.landscape.volumes import critical_times

from ..context import Context
from ..landscape import BASIN, CURVATURE, ENERGY
from ..measured import read_summaries
from . import Part

ByClass = dict[str, dict[int, BasinFinding]]


def _note(found: Mapping[str, Mapping[int, object]], spec: ExperimentSpec, min_share: float) -> str:
    present = {name: list(rows) for name, rows in found.items()}
    return drawing.left_out(present, spec.first_sizes, min_share)


def _peak(context: Context, artifact: Artifact) -> int:
    return int(pages.most_spurious(read_summaries(context, artifact.reads["classify"]))["size"])


def _stored(
    context: Context, artifact: Artifact, stage: str, name: str
) -> Iterator[tuple[int, h5py.File, str, h5py.Group]]:
    """K, the file, and the name and the arrays of each kind of targets that an analysis has stored."""
    for source in artifact.reads[stage]:
        with h5py.File(context.store.file(source, name), "r") as file:
            for group in (g for g in GROUPS if g in file):
                yield source.params["size"], file, group, file[group]


def basin(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Log-volumes and critical times by class, at delta and at the other thresholds of the scan."""
    assert isinstance(spec.basin, BasinSpec)
    bisection = spec.basin.search == "bisection"
    factors = (1.0,) if bisection else spec.basin.scan
    found: dict[float, ByClass] = {f: {} for f in factors}
    deltas: dict[float, dict[int, float]] = {f: {} for f in factors}
    returns: dict[int, list[pictures.Returns]] = {}
    last: dict[int, list[pictures.LastReturns]] = {}
    disagreements: list[float] = []
    times: Any = None
    shown: list[int] = []
    for size, file, group, own in _stored(context, artifact, "basin", BASIN):
        times, alpha_bar, largest = file["times"][:], file["alpha_bar"][:], float(file.attrs["delta"])
        shown = list(range(0, len(times), max(1, len(times) // 20)))[:20]
        names = ("cluster", "distance", "squares", "products", "noise_squares")
        table = BasinTable(*(own[name][:] for name in names))
        for factor in factors:
            delta = deltas[factor][size] = largest * factor / factors[-1]
            found[factor].setdefault(group, {})[size] = basin_finding(
                table,
                times,
                alpha_bar,
                dimension=int(file.attrs["dimension"]),
                delta=delta,
                largest=largest,
                probability=spec.basin.probability,
                confidence=spec.thresholds.confidence,
            )
        scanned, back, images = own["scanned"][:], own["back"][:], own["images"][:]
        if bisection and spec.basin.check:
            few = min(spec.basin.check, len(scanned))
            a, b = (
                times[critical_times(t[:few], largest, spec.basin.probability, largest).index]
                for t in (scanned, table.distance)
            )
            disagreements += abs(a - b).ravel().tolist()
        cuts = [critical_times(scanned[:1], deltas[f][size], spec.basin.probability, largest) for f in factors]
        ends = [cut.index[0, 0] for cut in cuts]
        failed = np.array([cut.failed[0, 0] for cut in cuts])
        last.setdefault(size, []).append(
            pictures.LastReturns(size, deltas[1.0][size], group, images[0], back[0][ends], times[ends], failed)
        )
        returns.setdefault(size, []).extend(
            pictures.Returns(group, images[i], back[i][shown], scanned[i, shown, 0]) for i in range(min(2, len(back)))
        )
    main = found[1.0]
    note = _note(main, spec, spec.basin.min_share)
    sizes = list(spec.first_sizes)

    def figures() -> Iterator[tuple[str, Figure]]:
        volumes = {g: {k: f.log_volume for k, f in rows.items()} for g, rows in main.items()}
        moments = {g: {k: f.critical_time for k, f in rows.items()} for g, rows in main.items()}
        yield "log_volume", drawing.against_size(volumes, sizes, "log-volume of the basin", note)
        yield "critical_time", drawing.against_size(moments, sizes, "critical time, index of the noise level", note)
        yield "basin_scan", drawing.basin_scan(found, sizes, note)
        peak = _peak(context, artifact)
        three = dict.fromkeys((min(last), peak, max(last)))
        yield (
            "basin_choice",
            pictures.basin_choice(
                [row for size in three for row in last[size]], factors, "the last that counts as recovered"
            ),
        )
        title = f"what comes back at K = {peak:,}; framed: within {deltas[1.0][peak]:.2g}"
        yield "recovery", pictures.recovery(returns[peak], times[shown].tolist(), deltas[1.0][peak], title)

    headline = words.basin_sentences(main)
    if disagreements:
        off = sum(d > 0 for d in disagreements) / len(disagreements)
        mean = sum(disagreements) / len(disagreements)
        headline.append(
            f"Basins were found by bisection; of {len(disagreements):,} copies that were also scanned, {off:.1%} have "
            f"another critical time, and the mean difference is {mean:.3g} noise levels."
        )
    return Part(figures, [words.basin_table(main), words.scan_table(found, deltas)], headline)


def curvature(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Spectra at the smallest time, dimensions at every time."""
    assert isinstance(spec.curvature, CurvatureSpec)
    first = spec.curvature.times[0]
    found: dict[int, dict[str, dict[int, DimensionFinding]]] = {t: {} for t in spec.curvature.times}
    spectra: dict[int, dict[str, np.ndarray]] = {}
    sigmas: dict[int, float] = {}
    for size, file, group, own in _stored(context, artifact, "curvature", CURVATURE):
        sigmas = dict(zip(file["times"][:].tolist(), file["sigma"][:].tolist(), strict=True))
        for time in spec.curvature.times:
            values = own[f"normalised/t{time:05d}"][:]
            found[time].setdefault(group, {})[size] = dimension_finding(
                values,
                own["cluster"][:],
                sigma=sigmas[time],
                threshold=spec.curvature.threshold,
                confidence=spec.thresholds.confidence,
            )
            if time == first:
                spectra.setdefault(size, {})[group] = values
    note = _note(found[first], spec, spec.curvature.min_share)
    skip, sigma = spec.curvature.skip, sigmas[first]

    def figures() -> Iterator[tuple[str, Figure]]:
        yield "spectra", drawing.spectra(spectra, sigma, first, skip, note)
        yield "spectra_train", drawing.spectra_train(spectra, sigma, first, skip)
        yield "dimension", drawing.dimension(found[first], list(spec.first_sizes), first, note)

    return Part(figures, [words.curvature_table(found)])


def energy(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Gaps against training points, for each reference."""
    assert isinstance(spec.energy, EnergySpec)
    found: dict[int, dict[str, dict[int, GapFinding]]] = {}
    for size, file, group, own in _stored(context, artifact, "energy", ENERGY):
        train = file["train/energy"][:]
        for j, reference in enumerate(file["references"][:].tolist()):
            found.setdefault(reference, {}).setdefault(group, {})[size] = gap_finding(
                own["energy"][:, j],
                own["cluster"][:],
                train[:, j],
                is_train=group == "train",
                confidence=spec.thresholds.confidence,
            )
    main = next(iter(found))
    note = _note(found[main], spec, spec.energy.min_share)
    sizes = list(spec.first_sizes)

    def figures() -> Iterator[tuple[str, Figure]]:
        yield "energy_gap", drawing.energy_gap({main: found[main]}, sizes, note)
        others = {r: groups for r, groups in found.items() if r != main} or found
        yield "energy_references", drawing.energy_gap(others, sizes, note)

    return Part(figures, [words.energy_table(found)], words.energy_sentences(found[main], _peak(context, artifact)))
