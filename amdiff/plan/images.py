"""Plans the artifacts of an experiment on images. For each training-set size K these are

    dataset -> train -> sample (shards) -> neighbors -> thresholds -> classify -> basin, curvature, energy

and for all K together a report. Steps that two experiments share have the same address, so they are done once.

The sizes may be a grid that is still to be found. Then a sparse sweep up to ``classify`` comes first, and ``grid``
finds the sizes from it. The artifacts of these sizes are not known at first, so the address of the report contains that
of the grid in their place. It also contains the addresses of the analyses at the first size. These analyses need not be
made: their addresses stand for the way in which all analyses are made.
"""

from __future__ import annotations

from amdiff.artifacts import Artifact
from amdiff.config import Config, ExperimentSpec

from .common import with_order
from .pages import ExperimentPlan, files_of_page
from .sweeps import SweepPlanner


def image_experiment(
    name: str,
    spec: ExperimentSpec,
    config: Config,
    dataset: Artifact,
    lender: ExperimentPlan | None,
    found: tuple[int, ...] | None,
) -> ExperimentPlan:
    """Plan every artifact of a sweep over training-set sizes on images.

    Parameters
    ----------
    name
        Name of the experiment.
    spec
        What the experiment asks for.
    config
        The whole configuration, with the digests of its sources.
    dataset
        The dataset of the experiment.
    lender
        The experiment that lends its thresholds, or None.
    found
        The sizes that the sparse sweep has found, or None if it is not done or there is none.

    Raises
    ------
    ConfigError
        If the digest of a source is not known, or the lender has no thresholds for a size.
    """
    spec = with_order(name, spec, config)
    planner = SweepPlanner(name, spec, config, dataset, lender)
    first = planner.sweep(spec.first_sizes)
    content = {"experiment": name, "spec": spec.identity(), "files": files_of_page(spec.sections)}
    if spec.open_grid is None:
        parts = planner.parts(first)
        report = Artifact("report", spec.dataset, name, content, {"dataset": (dataset,), **parts})
        return ExperimentPlan(name, report, spec, dataset, first.models, thresholds=first.thresholds)
    grid = Artifact("grid", spec.dataset, name, {"grid": spec.open_grid.resolved()}, {"classify": first.classify})
    # these cover what the sparse sweep does not: the versions of later stages, and the networks of metrics
    parts = planner.parts(first)
    content["analyses"] = {stage: parts[stage][0].address for stage in spec.analyses}
    if spec.also:
        content["also"] = [artifact.address for artifact in parts["also"]]
    if spec.peers:
        content["peers"] = parts["peers"][0].address
    if spec.losses_of_models:
        content["losses"] = parts["losses"][0].address
    sweep = planner.sweep(found) if found else None
    report = Artifact(
        "report",
        spec.dataset,
        name,
        content,
        {"dataset": (dataset,), "grid": (grid,)},
        derived=planner.parts(sweep) if sweep else {},
    )
    known = sweep or first
    return ExperimentPlan(name, report, spec, dataset, known.models, grid=grid, thresholds=known.thresholds)
