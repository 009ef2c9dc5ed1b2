"""The page of an audit: the verdict, what was compared, the pairs that look most like copies, and the limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import METRICS, ExperimentSpec
from amdiff.figures import first_screen
from amdiff.figures.browser import as_png
from amdiff.figures.page import Auditing, Picture, Suspect, render
from amdiff.plan import ExperimentPlan
from amdiff.stages.context import Context
from amdiff.stages.report import provenance, shown_figures
from amdiff.stages.sections import part
from amdiff.stages.stored_images import dataset_images, sample_images

from .audit_configuration import Audit
from .audit_results import Found
from .audit_verdict import Verdict

PAIRS = 10
"""Number of pairs on the first page."""


def audit_page(
    asked: Audit,
    context: Context,
    experiment: ExperimentPlan,
    found: Found,
    notes: Sequence[str],
    outcome: Verdict | None,
) -> str:
    """Return the page of an audit as HTML. Its figures and tables are those of the audit's report.

    Parameters
    ----------
    asked
        The arguments of the audit.
    context
        The store of the audit's artifacts.
    experiment
        The audit's experiment.
    found
        The results.
    notes
        Sentences that limit the trust in the results.
    outcome
        The verdict; None if no limit was given.
    """
    report = experiment.report
    assert isinstance(experiment.spec, ExperimentSpec)
    parts = [part(name, context, report, experiment.spec) for name in experiment.spec.sections]
    summary = found.first.summary
    suspected = found.suspected
    lead = first_screen.lead([summary])
    if len(found.metrics) > 1:
        share = f"{suspected.value:.1%} [{suspected.low:.1%}, {suspected.high:.1%}]"
        lead += f" In all, {share} are suspected: at least one of the metrics calls them memorized."
    return render(
        title=f"Audit of {asked.synthetic.path}",
        address=report.address,
        lead=lead,
        headline=[],
        warnings=[],
        groups=shown_figures(context, report),
        tables=[table for section in parts for table in section.tables if table.on_page],
        configuration=_arguments(asked),
        provenance=provenance(context, report),
        browser=next((section.browser for section in parts if section.browser), None),
        auditing=Auditing(
            None if outcome is None else outcome.outcome,
            f"There is no verdict, since no limit was given (--fail-above). {_counted(found)}"
            if outcome is None
            else f"{outcome.text[0].upper()}{outcome.text[1:]}.",
            _compared(asked, found),
            _suspects(context, report, found),
            [*_limits(found), *(note if note.endswith(".") else f"{note}." for note in notes)],
        ),
    )


def _counted(found: Found) -> str:
    copies = found.copies.num_rows
    return f"{copies:,} of {found.samples.num_rows:,} samples are memorized."


def _compared(asked: Audit, found: Found) -> list[tuple[str, str]]:
    summary, pair = found.first.summary, found.first.pair
    heldout = (
        f"{asked.heldout.path}: {found.first.entry['false_positives']['n']:,}" if asked.heldout is not None else ""
    )
    held = heldout or "none were given; training images stand in for them"
    deltas = "; ".join(f"{by.pair.delta_m.value:.3g} by {name}" for name, by in found.metrics.items())
    metric, *others = found.metrics
    return [
        ("samples", f"{asked.synthetic.path}: {summary['n_samples']:,}"),
        ("training images", f"{asked.train.path}: {summary['size']:,}"),
        ("held-out images", held),
        ("metric", metric + (f", which decides; also {', '.join(others)}" if others else "")),
        ("memorized", f"within δ_m = {pair.delta_m.value:.3g} [{pair.delta_m.low:.3g}, {pair.delta_m.high:.3g}] of a "
                      f"training image{f' (δ_m = {deltas})' if others else ''}"),
        ("spurious", f"farther from every training image, but within δ_s = {pair.delta_s.value:.3g} "
                     f"[{pair.delta_s.low:.3g}, {pair.delta_s.high:.3g}] of another sample"),
        ("confidence", f"{100 * summary['confidence']:g} %"),
    ]  # fmt: skip


def _limits(found: Found) -> list[str]:
    """The limits of every audit, and those of the metrics of this one."""
    lines = [
        "Only copies of the given training images can be found, and only if the metric recognises them: "
        "copies that are mirrored, cropped or recoloured may be missed."
    ]
    if not any(METRICS[name].network for name in found.metrics):
        by = " and ".join(METRICS[name].title.removesuffix(" (L2)") for name in found.metrics)
        lines.append(
            f"Images were compared by {by} only, so copies that are shifted by a few pixels may be missed too."
        )
    return lines


def _suspects(context: Context, report: Artifact, found: Found) -> list[Suspect]:
    """The samples with the smallest distance to a training image, in units of the metric's threshold δ_m."""
    store = context.store
    samples = sample_images(store, report.parents["samples"])
    train = dataset_images(store, report.parent("dataset"))
    pairs = []
    for row in found.candidates.slice(0, PAIRS).to_pylist():
        ratios = {name: row[f"{name}_distance"] / by.pair.delta_m.value for name, by in found.metrics.items()}
        closest = min(ratios, key=lambda name: ratios[name])
        number = row[f"{closest}_train_neighbor"]
        pictures = [
            Picture("pair", title, as_png(images.rows(np.array([index])), 1), "png")
            for images, index, title in (
                (samples, row["index"], f"sample {row.get('file') or row['index']}"),
                (train, number, f"training image {row.get(f'{closest}_train_file') or number}"),
            )
        ]
        distances = ", ".join(f"{ratio:.2g} times δ_m by {name}" for name, ratio in ratios.items())
        pairs.append(Suspect(pictures[0], pictures[1], f"{row['class']}; {distances}"))
    return pairs


def _arguments(asked: Audit) -> str:
    """The arguments of the audit, one on each line."""
    lines = []
    for option, side in asked.sides.items():
        lines.append(f"{option} {side.path}")
        if side.values is not None:
            lines.append(f"{option}-values {side.values[0]:g} {side.values[1]:g}")
        if side.key is not None:
            lines.append(f"{option}-key {side.key}")
    lines += [f"--metric {metric}" for metric in asked.metrics]
    lines += [
        f"--{name} {value}"
        for name, value in {
            "out": asked.out,
            "fail-above": asked.fail_above,
            "samples": asked.samples,
            "resize": asked.resize,
            "values": None if asked.values is None else f"{asked.values[0]:g} {asked.values[1]:g}",
            "key": asked.key,
            "background": None if asked.background == "white" else asked.background,
        }.items()
        if value is not None
    ]
    lines += [
        f"--{name}" for name, given in {"crop": asked.crop, "skip-unreadable": asked.skip_unreadable}.items() if given
    ]
    return "\n".join(["amdiff audit", *(f"  {line}" for line in lines)])
