"""The report, the comparison of experiments, and the stages and the page of a text-to-image model."""

from __future__ import annotations

from .records import DAY, Figure, Section, Stage, Table

STAGES = (
    Stage("report", 11, page=True, minutes=120, seconds=6),
    Stage("comparison", 7, page=True, minutes=120, seconds=4),
    Stage("pipeline", 1, {"files": "pipeline.json"}, memory_mb=2000, minutes=120, local=True),
    Stage("generate", 1, {"image": "generation.h5"}, memory_mb=16_000, minutes=120, gpu="yes", seconds=60),
    Stage("spectrum", 2, {"spectrum": "spectrum.h5"}, memory_mb=24_000, minutes=DAY, gpu="yes", seconds=600),
    Stage("prompts", 4, page=True, minutes=120, seconds=6),
)

SECTIONS = (
    Section(
        "comparison",
        (
            Figure(
                "comparison", "Comparison", "Shares side by side", paper="Figures 7-9", first=True,
                caption="Shares of memorized, spurious and generalized samples against K for each experiment, "
                "with confidence bands.\n"
                "A network with more parameters memorizes its training data up to a larger K. In a larger "
                "synthetic set, more samples have a near neighbour among the others.",
            ),
            Figure(
                "capacity", "Comparison", "Capacity", paper="Figures 7-9",
                caption="The K at which the spurious share is largest, against the number of parameters of the "
                "network; the line shows the range from A to B over which the memorized share falls. Open symbols: "
                "with thresholds that are found without one K.\n"
                "In the paper, the transition moves to larger training sets for networks with more "
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
                "drawn. Colours show the class that is expected for its prompt. Below are the images, with the "
                "training image of a prompt if it was given.\n"
                "The larger the values are, the sharper is the minimum of the energy. The values of memorized "
                "images are expected above those of spurious ones, and these above those of generalized ones "
                "(fig. 5B and 24 of the paper).",
            ),
        ),
        (
            Table("prompts.csv"),
        ),
    ),
)  # fmt: skip
