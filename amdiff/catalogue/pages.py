"""Pages, the comparison of experiments, and the stages and the page of a text-to-image model."""

from __future__ import annotations

from .records import DAY, Figure, Section, Stage, Table

STAGES = (
    Stage("report", 9, page=True, minutes=120, seconds=6),
    Stage("comparison", 5, page=True, minutes=120, seconds=4),
    Stage("pipeline", 1, {"files": "pipeline.json"}, memory_mb=2000, minutes=120, local=True),
    Stage("generate", 1, {"image": "generation.h5"}, memory_mb=16_000, minutes=120, gpu="yes", seconds=60),
    Stage("spectrum", 2, {"spectrum": "spectrum.h5"}, memory_mb=24_000, minutes=DAY, gpu="yes", seconds=600),
    Stage("prompts", 3, page=True, minutes=120, seconds=6),
)

SECTIONS = (
    Section(
        "comparison",
        (
            Figure(
                "comparison", "Comparison", "Shares side by side", paper="Figures 7-9", first=True,
                caption="Shares of memorized, spurious and generalized samples against K for each experiment, "
                "with their confidence bands.\n"
                "A network with more parameters keeps its training data up to a larger K; a larger "
                "synthetic set shows more of what comes back.",
            ),
            Figure(
                "capacity", "Comparison", "Capacity", paper="Figures 7-9",
                caption="K at which the spurious share is largest against the parameters of the network; the line "
                "spans the fall of the memorized share, from A to B.\n"
                "In the paper the transition moves to larger training sets where networks have more "
                "parameters.",
            ),
        ),
        (
            Table("comparison.csv"),
            Table("transitions.csv", paper="Table 1", title="Sizes around the transition"),
            Table("thresholds.csv", paper="Table 2", title="Thresholds"),
            Table("configurations.csv", paper="Table 3", title="Configurations and parameters"),
        ),
    ),
    Section(
        "prompts",
        (
            Figure(
                "prompt_spectra", "Curvature", "Curvature of text-to-image models",
                paper="Figures 5B, 24", raster=True, first=True,
                caption="Singular values of the guided score's Jacobian in latent space at each image that was "
                "drawn, coloured by the class its prompt is a candidate for; below, the images, with the "
                "training image that belongs to the prompt where it was given.\n"
                "The larger the values, the sharper the minimum of the energy: memorized images are "
                "expected above spurious ones, and these above generalized ones (fig. 5B and 24 of the "
                "paper).",
            ),
        ),
        (
            Table("prompts.csv"),
        ),
    ),
)  # fmt: skip
