"""Tables and sentences about the toy model on a circle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .page import Table, make_table

Summary = dict[str, Any]
"""Numbers of one K, as the stage of the toy model writes them."""


def tables(summaries: Sequence[Summary]) -> list[Table]:
    """Three tables: landscapes, minima of the energy, and clusters of samples."""
    landscapes = [
        [
            s["size"], s["time"], s["lowest_radius"]["learned"], s["lowest_radius"]["empirical"], s["ring_radius"],
            len(s["minima"]["learned"]), len(s["minima"]["empirical"]), s["difference"],
            sum(c["size"] >= 2 for c in s["clusters"]), s["n_samples"],
            s["sample_radius"]["mean"], s["sample_radius"]["std"], s["difference_grid"],
        ]
        for s in summaries
    ]  # fmt: skip
    minima = [
        [s["size"], kind, m["x"], m["y"], m["energy"], m["depth"], m["nearest_training_distance"]]
        for s in summaries
        for kind in ("learned", "empirical")
        for m in s["minima"][kind]
    ]
    clusters = [
        [s["size"], i, c["size"], c["x"], c["y"], c["nearest_training_distance"]]
        for s in summaries
        for i, c in enumerate(s["clusters"])
    ]
    return [
        make_table(
            "landscape", "Landscapes",
            ["K", "t", "radius_learned", "radius_empirical", "radius_exact", "minima_learned", "minima_empirical",
             "difference", "clusters", "n_samples", "sample_radius", "sample_radius_std", "difference_grid"],
            landscapes,
            note="radius_*: radius at which the energy, averaged over angles, is lowest. minima_*: number of basins "
            "deeper than min_depth. difference: root mean square of learned minus empirical energy, where both are "
            "below 0.5; difference_grid: over the whole grid. Both are without the mean. clusters: clusters of at "
            "least two samples.",
        ),
        make_table(
            "minima", "Minima", ["K", "energy", "x", "y", "value", "depth", "nearest_training_distance"], minima,
            on_page=False,
        ),
        make_table(
            "clusters", "Clusters of samples", ["K", "cluster", "size", "x", "y", "nearest_training_distance"],
            clusters, on_page=False,
        ),
    ]  # fmt: skip


def sentences(summaries: Sequence[Summary]) -> list[str]:
    """Say for every K how many basins the energy has, and at which radius it is lowest."""
    lines = []
    for s in summaries:
        learned = s["minima"]["learned"]
        near = sum(m["nearest_training_distance"] <= 0.1 for m in learned)
        basins = "1 basin" if len(learned) == 1 else f"{len(learned)} basins"
        lines.append(
            f"K = {s['size']:,}: the learned energy has {basins} at t = {s['time']:g} ({near} within 0.1 of a training "
            f"point), and the energy of the training points has {len(s['minima']['empirical'])}. Averaged over angles, "
            f"the learned energy is lowest at radius {s['lowest_radius']['learned']:.3f} (with infinitely many "
            f"training points: {s['ring_radius']:.3f})."
        )
    return lines
