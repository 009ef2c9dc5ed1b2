"""Analyses of the energy landscape, and the sections of a page about them.

The cost of an analysis is an upper bound, because searches for basins stop early, and a class may have fewer samples
than the analysis may take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .records import DAY, Figure, Params, Passes, Section, Stage, Table

CLASS_COUNT = 3
"""Number of classes of samples that an analysis examines."""

FINE_TIMES = 20
"""Approximate number of times that a search tries where the noise is small."""

FLOW_EVALUATIONS = 400
"""Approximate number of evaluations for one solution of the probability flow, at the default tolerance."""


def _at_targets(each: Callable[[Params, Params, int], float]) -> Passes:
    """Passes of an analysis. ``each`` gives those of one target, from the analysis, the process and the dimension."""

    def passes(params: Params, samples: int, dimension: int) -> float:
        analysis = params["analysis"]
        targets = min(CLASS_COUNT * analysis["count"], samples) + min(analysis["train_count"], params["size"])
        return targets * each(analysis, params["diffusion"], dimension)

    return passes


def _basin(analysis: Params, diffusion: Params, dimension: int) -> float:
    times: Sequence[int] = range(analysis["first"], diffusion["steps"], analysis["stride"])
    if analysis["ratio"] is not None:  # about so many more times are tried where the noise is small
        times = [*range(1, 1 + FINE_TIMES), *times]
    return float(analysis["copies"] * sum(max(1, min(analysis["steps"], t)) for t in times))


def spectrum_passes(spectrum: Params, dimension: int) -> float:
    """Passes of the spectra at one image, for all times. ``spectrum`` are their settings."""
    rows = dimension * spectrum.get("rows_per_dimension", 1)
    still = 2 * 32  # to see whether the noise level is resolved
    return float(len(spectrum["times"]) * (rows * (2 if spectrum["method"] == "central" else 1) + still))


def _curvature(analysis: Params, diffusion: Params, dimension: int) -> float:
    return spectrum_passes(analysis, dimension)


def _energy(analysis: Params, diffusion: Params, dimension: int) -> float:
    # two paths; each random direction of the antisymmetric part takes about as long as four passes, in float64 eight
    times = 1 + len(analysis["further_times"])
    return float(times * (2 * analysis["references"] * analysis["points"] + 8 * analysis["probes"]))


def _likelihood(params: Params, samples: int, dimension: int) -> float:
    spec = params["likelihood"]
    traces = dimension if spec["divergence"] == "exact" else spec["probes"]
    return float(spec["points"] ** 2 * FLOW_EVALUATIONS * (1 + traces))


STAGES = (
    Stage(
        "basin", 4, {"distances": "basin.h5"},
        minutes=DAY, gpu="network", work="analyses", passes=_at_targets(_basin),
    ),
    Stage(
        "curvature", 3, {"spectra": "curvature.h5"},
        minutes=DAY, gpu="network", work="analyses", passes=_at_targets(_curvature),
    ),
    Stage(
        "energy", 2, {"potentials": "energy.h5"},
        minutes=DAY, gpu="network", work="analyses", passes=_at_targets(_energy),
    ),
    Stage(
        "likelihood", 3, {"landscape": "landscape.h5", "summary": "landscape.json"},
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
                "class. The confidence intervals use the variance between attractors. Open symbols: at least half of "
                "the copies do not return even from the first noise level, so the value is an upper bound.\n"
                "The radius of a basin is the largest noise from which a sample still comes back. The dashed gray line "
                "is a denoiser that does nothing: what lies on it has no basin beyond :math:`\\delta`.",
            ),
            Figure(
                "critical_time", "Basins", "Critical times", paper="Figures 18-19", narrow=True,
                caption="The last noise level from which noisy copies of a target come back to it, by class. The "
                "confidence intervals use the variance between attractors.\n"
                "Critical times fall as K grows: with few data the model stores single images as points, and "
                "with many data it does not.",
            ),
            Figure(
                "basin_scan", "Basins", "Log-volume at other thresholds",
                caption="The same log-volumes where :math:`\\delta`, the distance at which a copy counts as "
                "recovered, is multiplied by a factor.\n"
                "If the order of the classes is the same in every panel, it does not depend on the choice of "
                ":math:`\\delta`.",
            ),
            Figure(
                "basin_choice", "Basins", "What counts as recovered", raster=True,
                caption="Targets of each class at a small K, at the K of the spurious peak, and at a large K. "
                "Beside each is the last image of one noisy copy that counts as recovered, for each threshold "
                ":math:`\\delta` of the scan.\n"
                "A threshold is right if the pictures still show the target. It is too large if they show "
                "another image.",
            ),
            Figure(
                "recovery", "Basins", "What comes back from noise", raster=True,
                caption="Targets of each class, and the images that come back from one noisy copy at rising noise "
                "levels, with their distances to the target. A frame marks those that count as recovered.\n"
                "Use them to check :math:`\\delta` by eye. It is right if the framed pictures show the target "
                "and the others do not.",
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
                caption="Singular values of the score's Jacobian times the noise variance :math:`\\sigma_t^2`, as "
                "mean and standard deviation by class. Near 1 the energy rises steeply along a direction, and near "
                "0 it is flat along it.\n"
                "The largest values are left out, as in the paper.",
            ),
            Figure(
                "spectra_train", "Curvature", "Curvature spectra of training points",
                paper="Figures 5A, 20-23", narrow=True,
                caption="Mean spectra at training points, from small K (purple) to large K (red). The largest "
                "values are left out.\n"
                "The spectra fall as K grows: sharp minima at single training points give way to a flat manifold.",
            ),
            Figure(
                "dimension", "Curvature", "Dimension of the learned manifold",
                caption="Dimension of the manifold around each class, by the largest gap of the spectrum and by "
                "the number of values below a threshold, at each noise level t. Open symbols: the model does not "
                "resolve this noise level, so the number means nothing.\n"
                "A sample that is stored as a point has dimension 0. Around a generalized sample there are "
                "directions in which the density hardly changes.",
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
                "energy_gap", "Energy", "Relative energy", paper="Figures 6, 26",
                caption="Relative energy of each class compared with that of training points, for one training "
                "image as reference, along two paths. Bars are confidence intervals of the mean, bands the standard "
                "deviation over samples.\n"
                "Below the dashed line, a class lies deeper than the training points. Where the paths disagree, the "
                "learned field has no potential, and no order of the classes can be told.",
            ),
            Figure(
                "energy_references", "Energy", "Relative energy for other references", paper="Figures 27-30",
                caption="Relative energy of each class for other reference images, along the circular path.\n"
                "If the order of the classes is the same in every panel, it does not depend on the reference.",
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
                caption="Energy on the plane, with its minimum set to 0. The upper row is learned by the model, "
                "from its likelihood. The lower row is the associative memory of the same K training points. On "
                "the right is the exact energy of infinitely many data.\n"
                "Circles are training points, white dots are samples, crosses are the centres of their clusters, "
                "and arrows are the learned score. Separate basins at small K merge into a ring at large K.",
            ),
            Figure(
                "ring", "Landscape", "Energy along the radius",
                caption="Energy averaged over angles, against the radius: as learned, for the K training points, "
                "and for infinitely many data.\n"
                "The dotted line is the radius of the exact ring, which lies inside the unit circle at "
                "this noise level.",
            ),
            Figure(
                "two_memories", "Theory", "Two memories",
                caption="Two memories at distance :math:`D`: the energy along the line through both at several "
                "temperatures, with its minima, and the minima against :math:`\\beta D^2`.\n"
                "Up to :math:`\\beta D^2 = 2` there is one minimum, halfway between them. It is a spurious state "
                "that equals neither memory. Beyond, there are two minima.",
            ),
        ),
        (
            Table("landscape.csv"),
            Table("minima.csv"),
            Table("clusters.csv"),
        ),
    ),
)  # fmt: skip
