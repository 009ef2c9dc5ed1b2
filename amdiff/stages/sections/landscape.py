"""The energy landscape: basins, curvature, relative energy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import h5py
from matplotlib.figure import Figure

from amdiff.artifacts import Artifact
from amdiff.config import BasinSpec, CurvatureSpec, EnergySpec, ExperimentSpec
from amdiff.figures import landscape as drawing, landscape_tables as words
from amdiff.files import read_json
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
from ..measures import SUMMARY
from . import Part

ByClass = dict[str, dict[int, BasinFinding]]


def _note(found: Mapping[str, Mapping[int, object]], spec: ExperimentSpec, min_share: float) -> str:
    present = {name: list(rows) for name, rows in found.items()}
    return drawing.left_out(present, spec.sizes, min_share)


def _peak(context: Context, artifact: Artifact) -> int:
    """K with the largest spurious share."""
    summaries = [read_json(context.store.file(a, SUMMARY)) for a in artifact.parents["classify"]]
    return int(max(summaries, key=lambda s: s["fractions"]["spurious"]["value"])["size"])


def basin(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Log-volumes and critical times by class, at delta and at the other thresholds of the scan."""
    assert isinstance(spec.basin, BasinSpec)
    factors = spec.basin.scan if spec.basin.search == "scan" else (1.0,)
    found: dict[float, ByClass] = {f: {} for f in factors}
    deltas: dict[float, dict[int, float]] = {f: {} for f in factors}
    returns: dict[int, list[drawing.Returns]] = {}
    disagreements: list[float] = []
    shown: list[int] = []
    for source in artifact.parents["basin"]:
        size = source.params["size"]
        with h5py.File(context.store.file(source, BASIN), "r") as file:
            times, alpha_bar = file["times"][:], file["alpha_bar"][:]
            largest, dimension = float(file.attrs["delta"]), int(file.attrs["dimension"])
            shown = list(range(0, len(times), max(1, len(times) // 20)))[:20]
            returns[size] = []
            for group in (g for g in GROUPS if g in file):
                own = file[group]
                names = ("cluster", "distance", "squares", "products", "noise_squares")
                table = BasinTable(*(own[name][:] for name in names))
                for factor in factors:
                    delta = deltas[factor][size] = largest * factor / factors[-1]
                    found[factor].setdefault(group, {})[size] = basin_finding(
                        table,
                        times,
                        alpha_bar,
                        dimension=dimension,
                        delta=delta,
                        largest=largest,
                        probability=spec.basin.probability,
                        confidence=spec.thresholds.confidence,
                    )
                if "scanned" in own and len(own["scanned"]):
                    few = own["scanned"][:]
                    pair = (
                        critical_times(t, largest, spec.basin.probability, largest).index
                        for t in (few, table.distance[: len(few)])
                    )
                    a, b = (times[index] for index in pair)
                    disagreements += abs(a - b).ravel().tolist()
                back, images = own["back"][:], own["images"][:]
                returns[size] += [
                    drawing.Returns(group, images[i], back[i][shown], table.distance[i, shown, 0])
                    for i in range(min(2, len(back)))
                ]
    main = found[1.0]
    note = _note(main, spec, spec.basin.min_share)
    sizes = list(spec.sizes)

    def figures() -> Iterator[tuple[str, Figure]]:
        volumes = {g: {k: f.log_volume for k, f in rows.items()} for g, rows in main.items()}
        moments = {g: {k: f.critical_time for k, f in rows.items()} for g, rows in main.items()}
        yield "log_volume", drawing.against_size(volumes, sizes, "log-volume of the basin", note)
        yield "critical_time", drawing.against_size(moments, sizes, "critical time, index of the noise level", note)
        yield "basin_scan", drawing.basin_scan(found, sizes, note)
        peak = _peak(context, artifact)
        title = f"what comes back at K = {peak:,}; framed: within {deltas[1.0][peak]:.2f}"
        yield "recovery", drawing.recovery(returns[peak], times[shown].tolist(), deltas[1.0][peak], title)

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
    spectra: dict[int, dict[str, object]] = {}
    sigma = 0.0
    for source in artifact.parents["curvature"]:
        size = source.params["size"]
        spectra[size] = {}
        with h5py.File(context.store.file(source, CURVATURE), "r") as file:
            sigmas = dict(zip(file["times"][:].tolist(), file["sigma"][:].tolist(), strict=True))
            sigma = sigmas[first]
            for group in (g for g in GROUPS if g in file):
                for time in spec.curvature.times:
                    values = file[group][f"normalised/t{time:05d}"][:]
                    found[time].setdefault(group, {})[size] = dimension_finding(
                        values,
                        file[group]["cluster"][:],
                        sigma=sigmas[time],
                        threshold=spec.curvature.threshold,
                        confidence=spec.thresholds.confidence,
                    )
                    if time == first:
                        spectra[size][group] = values
    note = _note(found[first], spec, spec.curvature.min_share)
    skip = spec.curvature.skip

    def figures() -> Iterator[tuple[str, Figure]]:
        yield "spectra", drawing.spectra(spectra, sigma, first, skip, note)  # type: ignore[arg-type]
        yield "spectra_train", drawing.spectra_train(spectra, sigma, first, skip)  # type: ignore[arg-type]
        yield "dimension", drawing.dimension(found[first], list(spec.sizes), first, note)

    return Part(figures, [words.curvature_table(found)])


def energy(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Gaps against training points, for each reference."""
    assert isinstance(spec.energy, EnergySpec)
    found: dict[int, dict[str, dict[int, GapFinding]]] = {}
    for source in artifact.parents["energy"]:
        size = source.params["size"]
        with h5py.File(context.store.file(source, ENERGY), "r") as file:
            train = file["train/energy"][:]
            for j, reference in enumerate(file["references"][:].tolist()):
                for group in (g for g in GROUPS if g in file):
                    found.setdefault(reference, {}).setdefault(group, {})[size] = gap_finding(
                        file[group]["energy"][:, j],
                        file[group]["cluster"][:],
                        train[:, j],
                        is_train=group == "train",
                        confidence=spec.thresholds.confidence,
                    )
    main = next(iter(found))
    note = _note(found[main], spec, spec.energy.min_share)
    sizes = list(spec.sizes)

    def figures() -> Iterator[tuple[str, Figure]]:
        yield "energy_gap", drawing.energy_gap({main: found[main]}, sizes, note)
        others = {r: groups for r, groups in found.items() if r != main} or found
        yield "energy_references", drawing.energy_gap(others, sizes, note)

    return Part(figures, [words.energy_table(found)], words.energy_sentences(found[main], _peak(context, artifact)))
