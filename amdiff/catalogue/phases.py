"""Stages that compare samples and sort them into classes, and the sections of a page about them."""

from __future__ import annotations

from .records import Figure, Section, Stage, Table

STAGES = (
    Stage("neighbors", 3, {"tables": "neighbors.h5"}, minutes=720, gpu="yes", searches=True),
    Stage("thresholds", 5, {"thresholds": "thresholds.json"}, memory_mb=2000),
    Stage(
        "classify", 4, {"samples": "samples.parquet", "summary": "summary.json"},
        minutes=240, gpu="yes", searches=True, rereads=("samples",),
    ),
    Stage(
        "peers", 2, {"summary": "peers.json", "samples": "peers.parquet"},
        minutes=240, gpu="yes", searches=True, rereads=("samples", "train", "heldout"),
    ),
    Stage(
        "twins", 2, {"summary": "twins.json"}, minutes=240, gpu="yes", searches=True, rereads=("samples",),
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
                "images K, in sets of the same number of samples per training image, with confidence bands that "
                "include the errors of the thresholds.\n"
                "In theory, copying gives way to generalization as K grows. In between there are spurious samples, "
                "which recur and are no copies by :math:`\\delta_m`. Thin lines divide them into near copies, which "
                "lie nearer to a training image than any held-out image does, and new ones.",
            ),
            Figure(
                "distances", "Thresholds", "Nearest distances and thresholds", paper="Figures 3, 10-12", first=True,
                caption="Distance from each sample to the nearest training image (olive) and to the nearest other "
                "sample (gray), on an axis that is linear near zero and logarithmic beyond.\n"
                "If samples are copies, or repeat one another, there is a mode on the left. Dashed lines mark "
                "the thresholds :math:`\\delta_m` and :math:`\\delta_s`, with their ranges shaded. "
                "They are best in the valley between two modes. p is the p-value of Hartigan's dip test for one "
                "mode: where it is large at every K, the valley comes from mixing K.",
            ),
            Figure(
                "set_size", "Phases", "The number of samples", narrow=True,
                caption="Share of samples that are spurious against the number of samples, in units of K.\n"
                "The larger a set is, the more of its samples have a neighbour. So shares of different K are "
                "compared at the same number of samples per training image, which is the dashed line.",
            ),
            Figure(
                "sensitivity", "Thresholds", "Sensitivity to the thresholds",
                caption="The memorized share, the spurious share and the largest spurious share of all samples, where "
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
            Table("valleys.csv"),
            Table("set_size.csv"),
            Table("attractor_counts.csv"),
            Table("attractors.csv"),
            Table("panels.csv"),
            Table("samples.parquet"),
        ),
    ),
    Section(
        "replicates",
        (
            Figure(
                "over_all_runs", "Phases", "Several runs of the sweep",
                caption="Share of each class in every run (dots), and the mean over runs with its interval.\n"
                "The spread of the dots is what another training, or another training set, changes.",
            ),
        ),
        (
            Table("replicates.csv"),
            Table("runs.csv"),
        ),
    ),
    Section(
        "snapshots",
        (
            Figure(
                "time_maps", "Training time", "The three phases over training time",
                caption="Share of each class at every training-set size K and number of training steps.\n"
                "With more steps a model passes from new images to copies. Spurious samples come in between.",
            ),
            Figure(
                "time_curves", "Training time", "Curves against steps per training image",
                caption="Memorized and spurious shares against the training steps (left) and against steps per "
                "training image (right).\n"
                "If the time at which a model begins to memorize grows in proportion to K, the curves on the right "
                "fall together.",
            ),
            Figure(
                "time_memorizes", "Training time", "When memorization and generalization begin", narrow=True,
                caption="Number of steps at which the memorized share crosses 1 %, with its interval, and at which the "
                "held-out loss is near its best; bars are the steps between which the spurious share exceeds half of "
                "its peak.\n"
                "A straight line on these axes is a power of K.",
            ),
            Figure(
                "time_losses", "Training time", "Held-out loss over training time",
                caption="Left: loss on held-out images (solid) and on training images (dashed), with the step of the "
                "smallest held-out loss. Right: held-out loss in excess of that of the pool's closed form, with the "
                "first step within 5 % of the best.\n"
                "Where the held-out loss rises again, the model overfits; to stop at its smallest value keeps copies "
                "few.",
            ),
        ),
        (
            Table("time.csv"),
            Table("time_begins.csv"),
        ),
    ),
    Section(
        "twins",
        (
            Figure(
                "coincidences", "Phases", "Twins of other training sets",
                caption="Left: share of samples with another sample within :math:`\\delta_s`, in the set of one model "
                "(spurious), and in the set of a model that learned from other images (by coincidence). Right: share "
                "of pairs within :math:`\\delta_s` that two such models draw from the same noise.\n"
                "Coincidence is a lower bound if the other model's samples recur too; it takes the threshold as known. "
                "Where two models draw the same images from the same noise, these depend little on the training set.",
            ),
        ),
        (
            Table("twins.csv"),
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
