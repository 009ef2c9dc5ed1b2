"""Analyses of the energy landscape, and what a page shows of them.

What an analysis costs is an upper bound: searches of basins stop early, and classes may have fewer samples than are
asked for.
"""

from __future__ import annotations

from collections.abc import Callable

from .records import DAY, Figure, Params, Passes, Section, Stage, Table

CLASS_COUNT = 3
"""Classes of samples at which an analysis looks."""

FLOW_EVALUATIONS = 400
"""Evaluations of the probability flow from one end to the other, about, at the default tolerance."""


def _at_targets(each: Callable[[Params, Params, int], float]) -> Passes:
    """Passes of an analysis, from those of one target: of the analysis' settings, the process and the dimension."""

    def passes(params: Params, samples: int, dimension: int) -> float:
        analysis = params["analysis"]
        targets = min(CLASS_COUNT * analysis["count"], samples) + min(analysis["train_count"], params["size"])
        return targets * each(analysis, params["diffusion"], dimension)

    return passes


def _basin(analysis: Params, diffusion: Params, dimension: int) -> float:
    times = range(analysis["first"], diffusion["steps"], analysis["stride"])
    return float(analysis["copies"] * sum(max(1, min(analysis["steps"], t)) for t in times))


def _curvature(analysis: Params, diffusion: Params, dimension: int) -> float:
    rows = dimension * analysis.get("rows_per_dimension", 1)
    return float(rows * len(analysis["times"]) * (2 if analysis["method"] == "central" else 1))


def _energy(analysis: Params, diffusion: Params, dimension: int) -> float:
    return float(analysis["references"] * analysis["points"])


def _likelihood(params: Params, samples: int, dimension: int) -> float:
    spec = params["likelihood"]
    traces = dimension if spec["divergence"] == "exact" else spec["probes"]
    return float(spec["points"] ** 2 * FLOW_EVALUATIONS * (1 + traces))


STAGES = (
    Stage(
        "basin", 3, {"distances": "basin.h5"},
        minutes=DAY, gpu="network", work="analyses", passes=_at_targets(_basin),
    ),
    Stage(
        "curvature", 2, {"spectra": "curvature.h5"},
        minutes=DAY, gpu="network", work="analyses", passes=_at_targets(_curvature),
    ),
    Stage(
        "energy", 1, {"potentials": "energy.h5"},
        minutes=DAY, gpu="network", work="analyses", passes=_at_targets(_energy),
    ),
    Stage(
        "likelihood", 2, {"landscape": "landscape.h5", "summary": "landscape.json"},
        minutes=DAY, work="analyses", passes=_likelihood, double=True,
    ),
)  # fmt: skip

SECTIONS = (
    Section(
        "basin",
        (
            Figure(
                "log_volume", "Basins", "Log-volume of basins", paper="Figures 4B, 16-17", narrow=True,
                caption="Mean log-volume of the basins of attraction against the number of training images K, by "
                "class, with intervals between attractors.\n"
                "A basin is the ball of the largest noise from which a sample still comes back; where "
                "memorized samples have large basins and generalized ones none, the landscape around the "
                "latter is flat.",
            ),
            Figure(
                "critical_time", "Basins", "Critical times", paper="Figures 18-19", narrow=True,
                caption="The last noise level from which copies of a target come back to it, by class, with "
                "intervals between attractors.\n"
                "Critical times fall as K grows: what is stored sharply when data are scarce is not "
                "stored as a point when they are plentiful.",
            ),
            Figure(
                "basin_scan", "Basins", "Log-volume at other thresholds",
                caption="The same log-volumes where :math:`\\delta`, the distance at which a copy counts as "
                "recovered, is multiplied by a factor.\n"
                "An order of the classes that is the same in every panel does not hang on the choice of "
                ":math:`\\delta`.",
            ),
            Figure(
                "basin_choice", "Basins", "What counts as recovered", raster=True,
                caption="Targets of each class at a small, the spurious peak's and a large K, and the last of one "
                "noisy copy that counts as recovered at each threshold :math:`\\delta` of the scan.\n"
                "A threshold is right where the pictures are still the target; where they turn into "
                "another image it is too large.",
            ),
            Figure(
                "recovery", "Basins", "What comes back from noise", raster=True,
                caption="Targets of each class, and what comes back of one noisy copy from rising noise levels, "
                "with its distance; framed where it counts as recovered.\n"
                "Here :math:`\\delta` is checked by eye: it is right where the framed pictures are the "
                "target and the others are not.",
            ),
        ),
        (
            Table("basin.csv"),
            Table("basin_scan.csv"),
        ),
    ),
    Section(
        "curvature",
        (
            Figure(
                "spectra", "Curvature", "Curvature spectra by class", paper="Figures 5A, 20-23",
                caption="Singular values of the score's Jacobian by class, mean and standard deviation, times the "
                "noise variance :math:`\\sigma_t^2`: near 1 a direction is closed, near 0 the landscape is "
                "flat along it.\n"
                "The largest values are left out, as in the paper.",
            ),
            Figure(
                "spectra_train", "Curvature", "Curvature spectra of training points",
                paper="Figures 5A, 20-23", narrow=True,
                caption="Mean spectra at training points, from small K (purple) to large K (red); the largest "
                "values are left out.\n"
                "They fall as K grows: sharp minima at single data give way to a flat manifold.",
            ),
            Figure(
                "dimension", "Curvature", "Dimension of the learned manifold",
                caption="Dimension of the manifold around each class, by the largest gap of the spectrum and by "
                "the number of values below a threshold.\n"
                "A sample that is stored as a point has dimension 0; around one that was made anew there "
                "are directions in which the density hardly changes.",
            ),
        ),
        (
            Table("curvature.csv"),
        ),
    ),
    Section(
        "energy",
        (
            Figure(
                "energy_gap", "Energy", "Relative energy", paper="Figures 6, 26", narrow=True,
                caption="Relative energy of each class against that of training points, for one training image as "
                "reference; bars are intervals of the mean, bands the standard deviation over samples.\n"
                "Below the dashed line a class lies deeper than the training points.",
            ),
            Figure(
                "energy_references", "Energy", "Relative energy for other references", paper="Figures 27-30",
                caption="The same for other reference images.\n"
                "An order of the classes that is the same in every panel does not hang on the reference.",
            ),
        ),
        (
            Table("energy.csv"),
        ),
    ),
    Section(
        "circle",
        (
            Figure(
                "landscape", "Landscape", "Energy landscapes of the circle", paper="Figure 2", first=True,
                caption="Energy on the plane, its minimum at 0: learned by the model, from its likelihood (upper "
                "row), and of the associative memory of the same K training points (lower row); on the "
                "right the exact one of infinitely many data.\n"
                "Circles are training points, white dots samples, crosses centres of their clusters, "
                "arrows the learned score. Separate basins at small K merge into a ring.",
            ),
            Figure(
                "ring", "Landscape", "Energy along the radius",
                caption="Energy averaged over angles, against the radius: learned, of the K points, and of "
                "infinitely many data.\n"
                "The dotted line is the radius of the exact ring, which lies inside the unit circle at "
                "this noise level.",
            ),
            Figure(
                "two_memories", "Theory", "Two memories",
                caption="Two memories at distance :math:`D`: the energy along the line through both at several "
                "temperatures, with its minima, and the minima against :math:`\\beta D^2`.\n"
                "Up to :math:`\\beta D^2 = 2` there is one minimum, half-way: a spurious state that equals "
                "neither memory. Beyond there are two.",
            ),
        ),
        (
            Table("landscape.csv"),
            Table("minima.csv"),
            Table("clusters.csv"),
        ),
    ),
)  # fmt: skip
