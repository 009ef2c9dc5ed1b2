"""Tables and sentences about phases over training time."""

from __future__ import annotations

import itertools
from typing import Any

from amdiff.phases.classes import CLASSES
from amdiff.phases.generalization import NEAR_BEST, Step, excess, image_mean
from amdiff.phases.intervals import Estimate
from amdiff.phases.shown import percent
from amdiff.phases.training_time import MEMORIZES

from .curves import ENDS, triple
from .page import Table, make_table
from .snapshots import Content

LOSSES = ("loss_train", "loss_heldout", "excess")


def snapshots_tables(content: Content) -> list[Table]:
    """The shares and losses at every K and step, and when memorization and generalization begin at each K."""
    rows = [
        [size, step, step / size, *(s["fractions"][name][key] for name in CLASSES for key in ENDS), s["set_size"],
         *_losses(content, size, step), *(content.dips.get((size, step)) or (None, None))]
        for size, steps in content.found.items()
        for step, s in steps.items()
    ]  # fmt: skip
    begins = [
        [size, c.value, c.low, c.high, c.censored, *content.windows.get(size, (None, None)),
         float(content.curve(size, "spurious")[1].max()), *_step(content.generalizes.get(size)), *_stop(content, size)]
        for size, c in content.begins.items()
    ]  # fmt: skip
    names = ["K", "step", "step_per_image", *(c for name in CLASSES for c in triple(name)), "set_size"]
    return [
        make_table(
            "time", "Phases over training time",
            [*names, *(c for name in LOSSES for c in triple(name)), "delta_m_dip_p", "delta_s_dip_p"], rows,
            note="The shares of each class at a snapshot of the averaged weights. The thresholds are those of the "
            "whole trainings. loss_train and loss_heldout: mean over noise levels, with the same noise at every step. "
            "excess: held-out loss in excess of the closed form of the pool, at the noise levels at which no model "
            f"here does better than that ({_levels(content)}). *_dip_p: p-value of Hartigan's dip test for one mode "
            "among the distances to S, and to other samples.",
        ),
        make_table(
            "time_begins", "When memorization and generalization begin",
            ["K", "tau_mem", "tau_mem_low", "tau_mem_high", "censored", "window_first", "window_last", "spurious_peak",
             *triple("tau_gen"), "tau_gen_censored", *triple("stop"), "stop_censored",
             *(c for name in CLASSES for c in triple(f"stop_{name}"))],
            begins,
            note=f"tau_mem: step at which the memorized share crosses {MEMORIZES:.0%}, interpolated in log step; low "
            "and high: where its limits cross. censored: whether it crosses before the first or after the last step. "
            "window_first and window_last: first and last step at which the spurious share exceeds half of its peak "
            f"over the steps. tau_gen: first step at which the excess loss is within {NEAR_BEST:.0%} of its smallest "
            "value. stop: the step with the smallest held-out loss, and the shares there. Their intervals are over "
            "held-out images, and no finer than the steps. *_censored: 'before' if the step is the first one that was "
            "looked at, 'after' if it is the last.",
        ),
    ]  # fmt: skip


def _losses(content: Content, size: int, step: int) -> list[float | None]:
    model = content.losses.get(size, {}).get(step)
    if model is None:
        return [None] * 9
    found = [model.mean(group, "loss", content.confidence) for group in ("train", "heldout")]
    beyond = image_mean(excess(model, content.levels), content.confidence) if content.levels.any() else None
    return list(itertools.chain.from_iterable(estimate or (None,) * 3 for estimate in (*found, beyond)))


def _levels(content: Content) -> str:
    if not content.losses or not content.levels.any():
        return "here at none"
    model = next(iter(next(iter(content.losses.values())).values()))
    chosen = model.noise_to_signal[content.levels]
    return f"here {len(chosen)} of {len(model.times)} levels, noise-to-signal {chosen.min():.3g} to {chosen.max():.3g}"


def _step(step: Step | None) -> list[Any]:
    if step is None:
        return [None] * 4
    return [step.value, step.low, step.high, "before" if step.first else "after" if step.last else ""]


def _stop(content: Content, size: int) -> list[Any]:
    stop = content.stops.get(size)
    if stop is None:
        return [None] * 13
    there = content.found[size][stop.value]["fractions"]
    return [*_step(stop), *(there[name][key] for name in CLASSES for key in ENDS)]


def snapshots_sentences(content: Content) -> list[str]:
    """Say how the beginnings of memorization and generalization depend on K, and where to stop."""
    return [_memorizes(content), *_generalizes(content), *_stops(content), *_one_mode(content)]


def _one_mode(content: Content) -> list[str]:
    """Say at how many K and steps the distances have two modes, so that a threshold has a valley of its own."""
    known = [pair for pair in content.dips.values() if pair is not None]
    if not known:
        return []
    level = (1 - content.confidence) / len(known)  # so that chance alone rejects none of them
    to_train, to_samples = (sum(pair[i] < level for pair in known) for i in range(2))
    return [
        f"At {len(known)} pairs of K and step, the distances to the training images have more than one mode at "
        f"{to_train}, and those to other samples at {to_samples} (Hartigan's dip test)."
    ]


def _memorizes(content: Content) -> str:
    seen = [size for size, c in content.begins.items() if c.value is not None]
    if content.slope is None:
        return (
            f"Memorization was seen to begin, at {MEMORIZES:.0%} of the samples, at {len(seen)} of "
            f"{len(content.found)} K. That is too few for a law of its time."
        )
    found = content.slope
    verdict = (
        "This agrees with a time in proportion to K" if found.low <= 1 <= found.high else "This is no proportion to K"
    )
    unseen = {
        when: ", ".join(f"{size:,}" for size, c in content.begins.items() if c.censored == when)
        for when in ("before", "after")
    }
    left_out = [
        text.format(sizes)
        for when, text in (
            ("before", "It had begun before the first step at K = {}."),
            ("after", "It had not begun at the last step at K = {}, which is left out."),
        )
        if (sizes := unseen[when])
    ]
    law = f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}], over {len(seen)} K."
    return (
        f"Memorization begins, at {MEMORIZES:.0%} of the samples, after a number of steps that grows as K to the power "
        + " ".join([law, *left_out, f"{verdict} (1, Bonnaire et al. 2025)."])
    )


def _generalizes(content: Content) -> list[str]:
    found = content.generalizes
    if not found:
        return []
    told = ", ".join(
        f"{'at most ' if s.first else ''}{s.value:,} at K = {size:,}{' (the last step)' if s.last else ''}"
        for size, s in found.items()
    )
    law = content.slope_of_generalization
    power = (
        "" if law is None else f" It grows as K to the power {law.value:.2f} [{law.low:.2f}, {law.high:.2f}], where "
        "Bonnaire et al. (2025) report 0."
    )  # fmt: skip
    return [f"The excess of the held-out loss is near its smallest value from this step on: {told}.{power}"]


def _stops(content: Content) -> list[str]:
    """The recommended stop at the K where it spares the most copies, beside the last step."""
    kept = {size: stop for size, stop in content.stops.items() if not stop.last}
    if not kept:
        return []
    last = {size: list(steps.values())[-1]["fractions"]["memorized"] for size, steps in content.found.items()}
    there = {size: content.found[size][stop.value]["fractions"]["memorized"] for size, stop in kept.items()}
    size = max(kept, key=lambda k: last[k]["value"] - there[k]["value"])
    steps = list(content.found[size])
    return [
        f"By the held-out loss, one would stop before the last step at {len(kept)} of {len(content.stops)} K. At K = "
        f"{size:,} this is step {kept[size].value:,}, where {percent(Estimate(**there[size]))} of the samples are "
        f"memorized; at step {steps[-1]:,}, {percent(Estimate(**last[size]))} are."
    ]
