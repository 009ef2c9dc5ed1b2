"""Stages that compare and sort samples, and what a page shows of them."""

from __future__ import annotations

from .records import Figure, Section, Stage, Table

STAGES = (
    Stage("neighbors", 3, {"tables": "neighbors.h5"}, minutes=720, gpu="yes", searches=True),
    Stage("thresholds", 4, {"thresholds": "thresholds.json"}, memory_mb=2000),
    Stage(
        "classify", 3, {"samples": "samples.parquet", "summary": "summary.json"},
        minutes=240, gpu="yes", searches=True,
    ),
    Stage(
        "peers", 2, {"summary": "peers.json", "samples": "peers.parquet"},
        minutes=240, gpu="yes", searches=True,
    ),
    Stage("grid", 1, {"sizes": "grid.json"}, memory_mb=1000, minutes=10, decides=True),
)  # fmt: skip

SECTIONS = (
    Section(
        "phases",
        (
            Figure(
                "fractions", "Phases", "The three phases", paper="Figure 4A", narrow=True, first=True,
                caption="Shares of memorized, spurious and generalized samples against the number of training "
                "images K, with confidence bands in which the errors of the thresholds are counted.\n"
                "In theory copying gives way to generalization as K grows, and in between samples come "
                "back again and again that are in no training set. The dotted line counts those of them "
                "that do not gather around a training image.",
            ),
            Figure(
                "distances", "Thresholds", "Nearest distances and thresholds", paper="Figures 3, 10-12", first=True,
                caption="Distance from each sample to the nearest training image (olive) and to the nearest other "
                "sample (gray), on an axis that is linear near zero and logarithmic beyond.\n"
                "Where samples are copies or repeat one another there is a mode on the left; dashed lines "
                "mark :math:`\\delta_m` and :math:`\\delta_s`, with their bootstrap intervals shaded, and "
                "are best in the valley between two modes.",
            ),
            Figure(
                "sensitivity", "Thresholds", "Sensitivity to the thresholds",
                caption=":math:`\\delta_m` and :math:`\\delta_s` are multiplied by the factors on the axes: what "
                "becomes of the memorized share, of the spurious share, and of the largest spurious "
                "share.\n"
                "The further curves move, the more the classes hang on the choice of a threshold.",
            ),
            Figure(
                "panel_memorized", "Samples", "Memorized samples", paper="Figures 1B, 13-15", raster=True,
                caption="Memorized samples, each beside its nearest training images (S, upper row) and nearest "
                "other samples (S′, lower row), with distances; the closest copies first.\n"
                "A memorized sample and its first neighbour in S should be the same picture.",
            ),
            Figure(
                "panel_spurious", "Samples", "Spurious samples", paper="Figures 1B, 13-15", raster=True,
                caption="Spurious samples, those closest to another sample first.\n"
                "Their neighbours among the samples (lower row) lie within :math:`\\delta_s`, no training "
                "image (upper row) within :math:`\\delta_m`; whether the pictures say the same is for the "
                "eye.",
            ),
            Figure(
                "panel_generalized", "Samples", "Generalized samples", paper="Figures 1B, 13-15", raster=True,
                caption="Generalized samples, those farthest from any other sample first.\n"
                "Nothing lies within :math:`\\delta_m` of them in the training set, or within "
                ":math:`\\delta_s` among the samples; whether they look new is for the eye to say.",
            ),
            Figure(
                "borderline", "Samples", "Samples at the thresholds", raster=True,
                caption="The samples nearest to the thresholds, on both sides: the last to be called memorized "
                "and the last to be called spurious, and the first that are not.\n"
                "This is where a threshold is checked by eye: copies should lie on one side and distinct "
                "pictures on the other.",
            ),
            Figure(
                "attractors", "Attractors", "Spurious attractors", raster=True,
                caption="The most visited spurious attractors: each row shows visits to one of them, twelve at "
                "most, and the training image nearest to any visit.\n"
                "In a true one the same picture comes back in independent samples, and no training image "
                "is that picture.",
            ),
        ),
        (
            Table("fractions.csv"),
            Table("thresholds.csv"),
            Table("attractor_counts.csv"),
            Table("attractors.csv"),
            Table("panels.csv"),
            Table("samples.parquet"),
        ),
    ),
    Section(
        "also",
        (),
        (
            Table("metrics.csv"),
        ),
    ),
    Section(
        "peers",
        (),
        (
            Table("peers.csv"),
            Table("c_t.csv"),
        ),
    ),
)  # fmt: skip
