"""Stages that compare samples and sort them into classes, and the sections of a page about them."""

from __future__ import annotations

from .records import Figure, Section, Stage, Table

STAGES = (
    Stage("neighbors", 3, {"tables": "neighbors.h5"}, minutes=720, gpu="yes", searches=True),
    Stage("thresholds", 4, {"thresholds": "thresholds.json"}, memory_mb=2000),
    Stage(
        "classify", 3, {"samples": "samples.parquet", "summary": "summary.json"},
        minutes=240, gpu="yes", searches=True, rereads=("samples",),
    ),
    Stage(
        "peers", 2, {"summary": "peers.json", "samples": "peers.parquet"},
        minutes=240, gpu="yes", searches=True, rereads=("samples", "train", "heldout"),
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
                "images K, with confidence bands that include the errors of the thresholds.\n"
                "In theory, copying gives way to generalization as K grows. In between there are spurious "
                "samples, which recur although they are not in the training set. The dotted line counts the "
                "spurious samples that do not gather around a training image.",
            ),
            Figure(
                "distances", "Thresholds", "Nearest distances and thresholds", paper="Figures 3, 10-12", first=True,
                caption="Distance from each sample to the nearest training image (olive) and to the nearest other "
                "sample (gray), on an axis that is linear near zero and logarithmic beyond.\n"
                "If samples are copies, or repeat one another, there is a mode on the left. Dashed lines mark "
                "the thresholds :math:`\\delta_m` and :math:`\\delta_s`, with their bootstrap intervals shaded. "
                "They are best in the valley between two modes.",
            ),
            Figure(
                "sensitivity", "Thresholds", "Sensitivity to the thresholds",
                caption="The memorized share, the spurious share and the largest spurious share, where "
                ":math:`\\delta_m` and :math:`\\delta_s` are multiplied by the factors on the axes.\n"
                "The further the curves move, the more the classes depend on the choice of a threshold.",
            ),
            Figure(
                "panel_memorized", "Samples", "Memorized samples", paper="Figures 1B, 13-15", raster=True,
                caption="Memorized samples, each with its nearest training images (S, upper row) and its nearest "
                "other samples (S′, lower row), and with the distances. The closest copies come first.\n"
                "A memorized sample and its first neighbour in S should be the same picture.",
            ),
            Figure(
                "panel_spurious", "Samples", "Spurious samples", paper="Figures 1B, 13-15", raster=True,
                caption="Spurious samples. Those closest to another sample come first.\n"
                "Each has a neighbour within :math:`\\delta_s` among the samples (lower row), but no training "
                "image (upper row) within :math:`\\delta_m`. Check by eye whether the pictures agree.",
            ),
            Figure(
                "panel_generalized", "Samples", "Generalized samples", paper="Figures 1B, 13-15", raster=True,
                caption="Generalized samples. Those farthest from any other sample come first.\n"
                "No training image lies within :math:`\\delta_m` of them, and no other sample within "
                ":math:`\\delta_s`. Check by eye whether they look new.",
            ),
            Figure(
                "borderline", "Samples", "Samples at the thresholds", raster=True,
                caption="The samples nearest to the thresholds on both sides: the last ones that count as "
                "memorized or as spurious, and the first ones that do not.\n"
                "Use them to check a threshold by eye. Copies should lie on one side, and distinct pictures on "
                "the other.",
            ),
            Figure(
                "attractors", "Attractors", "Spurious attractors", raster=True,
                caption="The most visited spurious attractors. Each row shows at most twelve visits to one of "
                "them, and the training image nearest to any visit.\n"
                "At a true attractor, independent samples show the same picture, and no training image is that "
                "picture.",
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
