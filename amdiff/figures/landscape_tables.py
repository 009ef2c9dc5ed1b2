"""Tables and sentences about basins, curvature and relative energy."""

from __future__ import annotations

import math
from collections.abc import Mapping

from amdiff.landscape.findings import BasinFinding, DimensionFinding, GapFinding, ordering
from amdiff.landscape.targets import GROUPS
from amdiff.phases.classes import CLASSES
from amdiff.phases.intervals import Estimate

from .page import Table, make_table

VERDICTS = {
    "holds": "falls from memorized over spurious to generalized, with separate intervals",
    "blurred": "falls in the order memorized, spurious, generalized, but intervals meet",
    "fails": "does not fall in the order memorized, spurious, generalized",
}


def _ends(estimate: Estimate) -> list[float | None]:
    """Value and interval; no interval where there is one group only."""
    return [None if math.isnan(v) else v for v in estimate]


def _triple(name: str) -> list[str]:
    return [name, f"{name}_low", f"{name}_high"]


def basin_table(found: Mapping[str, Mapping[int, BasinFinding]]) -> Table:
    """Critical times and log-volumes at the threshold itself."""
    sizes = sorted({k for rows in found.values() for k in rows})
    rows = [
        [k, g, f.n, *_ends(f.critical_time), *_ends(f.log_volume), f.clusters, f.failed, f.open]
        for k in sizes
        for g in GROUPS
        if (f := found.get(g, {}).get(k))
    ]
    columns = ["K", "class", "n", *_triple("critical_time"), *_triple("log_volume"), "clusters", "failed", "open"]
    return make_table(
        "basin", "Basins of attraction", columns, rows,
        note="Means over targets with intervals between attractors (clusters). failed: share of copies that do not "
        "come back even from the first time; open: share of targets that come back from every time.",
    )  # fmt: skip


def scan_table(
    found: Mapping[float, Mapping[str, Mapping[int, BasinFinding]]], deltas: Mapping[float, Mapping[int, float]]
) -> Table:
    """The same at every threshold of the scan."""
    rows = [
        [k, g, f.n, factor, deltas[factor][k], *_ends(f.critical_time), *_ends(f.log_volume)]
        for factor, groups in found.items()
        for g in GROUPS
        for k, f in sorted(groups.get(g, {}).items())
    ]
    columns = ["K", "class", "n", "factor", "delta", *_triple("critical_time"), *_triple("log_volume")]
    return make_table("basin_scan", "Basins at other thresholds", columns, rows, on_page=False)


def basin_sentences(found: Mapping[str, Mapping[int, BasinFinding]]) -> list[str]:
    """Whether log-volumes have the paper's order, where all three classes exist."""
    verdicts: dict[str, list[int]] = {}
    for k in sorted({k for rows in found.values() for k in rows}):
        volumes = {g: found[g][k].log_volume for g in CLASSES if k in found.get(g, {})}
        if len(volumes) == len(CLASSES):
            verdicts.setdefault(ordering(volumes, CLASSES), []).append(k)
    if not verdicts:
        return ["Basins: no K has enough samples of all three classes to compare their volumes."]
    return [
        f"Basins: at K = {', '.join(f'{k:,}' for k in sizes)} the log-volume {VERDICTS[verdict]}."
        for verdict, sizes in verdicts.items()
    ]


def curvature_table(found: Mapping[int, Mapping[str, Mapping[int, DimensionFinding]]]) -> Table:
    """Dimensions at every time."""
    rows = [
        [k, g, t, f.n, *_ends(f.by_gap), *_ends(f.by_threshold)]
        for t, groups in found.items()
        for g in GROUPS
        for k, f in sorted(groups.get(g, {}).items())
    ]
    columns = ["K", "class", "t", "n", *_triple("dimension_gap"), *_triple("dimension_threshold")]
    return make_table(
        "curvature", "Dimension of the learned manifold", columns, rows,
        note="Singular values behind the largest gap, and below the threshold, means over targets; the spectra are in "
        "the artifacts curvature.h5.",
    )  # fmt: skip


def energy_table(found: Mapping[int, Mapping[str, Mapping[int, GapFinding]]]) -> Table:
    """Gaps for every reference."""
    rows = [
        [k, g, f.n, f.gap.value, f.std, reference, *_ends(f.gap)[1:]]
        for reference, groups in found.items()
        for g in GROUPS
        for k, f in sorted(groups.get(g, {}).items())
    ]
    columns = ["K", "class", "n", "gap", "gap_std", "reference", "gap_low", "gap_high"]
    return make_table(
        "energy", "Relative energy", columns, rows,
        note="U minus the mean U of training points; reference: row of the canonical dataset.",
    )  # fmt: skip


def energy_sentences(found: Mapping[str, Mapping[int, GapFinding]], peak: int) -> list[str]:
    """Which class lies lowest at the K of the spurious peak, for the first reference."""
    gaps = {g: found[g][peak].gap for g in CLASSES if peak in found.get(g, {})}
    if len(gaps) < 2:
        return []
    lowest = min(gaps, key=lambda g: gaps[g].value)
    apart = all(gaps[lowest].high < gaps[g].low for g in gaps if g != lowest)
    text = ", ".join(f"{g} {e.value:.3g} [{e.low:.3g}, {e.high:.3g}]" for g, e in gaps.items())
    verdict = "with separate intervals" if apart else "but intervals meet"
    return [
        f"Relative energy at K = {peak:,}, against training points: {text}; {lowest} samples lie lowest, {verdict}."
    ]
