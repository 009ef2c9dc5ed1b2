"""Tables and sentences about phases over training time."""

from __future__ import annotations

import itertools
from typing import Any

from amdiff.phases.classes import CLASSES
from amdiff.phases.generalization import NEAR_BEST, Step, excess, image_mean
from amdiff.phases.intervals import Estimate
from amdiff.phases.shown import percent
from amdiff.phases.training_time import MEMORIZES

from .curves import ENDS, ends, triple
from .losses import CLOSED
from .page import Table, make_table
from .snapshots import Content

LOSSES = ("loss_train", "loss_heldout", "excess")


def snapshots_tables(content: Content) -> list[Table]:
    """The shares and losses at every K and step, and when memorization and generalization begin at each K."""
    rows = [
        [size, step, step / size, *(s["fractions"][name][key] for name in CLASSES for key in ENDS), s["set_size"],
         *_losses(content, size, step), *(content.dips.get((size, step)) or (None, None)),
         *_distances(content, size, step)]
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
            [*names, *(c for name in LOSSES for c in triple(name)), "delta_m_dip_p", "delta_s_dip_p",
             *(f"distance_{key}" for key in CLOSED)], rows,
            note="The shares of each class at a snapshot of the averaged weights. The thresholds are those of the "
            "whole trainings. loss_train and loss_heldout: mean over noise levels, with the same noise at every step. "
            "excess: held-out loss in excess of the closed form of the pool, at the noise levels at which no model "
            f"here does better than that ({_levels(content)}). *_dip_p: p-value of Hartigan's dip test for one mode "
            "among the distances to S, and to other samples, on the soft logarithmic scale of this K. distance_*: mean "
            "squared difference to the noise that the closed form of S, of the pool and of a Gaussian predict, on "
            "held-out images at the levels of excess.",
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
            "value, interpolated in log step. stop: the step with the smallest held-out loss, and the shares there. "
            "Their intervals are over held-out images, for these noise levels and steps. *_censored: 'before' if it is "
            "the first step, 'after' if the smallest loss is at the last step.",
        ),
    ]  # fmt: skip


def _losses(content: Content, size: int, step: int) -> list[float | None]:
    model = content.losses.get(size, {}).get(step)
    if model is None:
        return [None] * 9
    found = [model.mean(group, "loss", content.confidence) for group in ("train", "heldout")]
    beyond = image_mean(excess(model, content.levels), content.confidence) if content.levels.any() else None
    return list(itertools.chain.from_iterable(ends(e) if e else [None] * 3 for e in (*found, beyond)))


def _distances(content: Content, size: int, step: int) -> list[float | None]:
    model = content.losses.get(size, {}).get(step)
    if model is None or not content.levels.any():
        return [None] * len(CLOSED)
    found = (model.heldout_at(f"distance_{key}", content.levels) for key in CLOSED)
    return [None if values is None else float(values.mean()) for values in found]


def _levels(content: Content) -> str:
    if not content.losses or not content.levels.any():
        return "here at none"
    model = next(iter(next(iter(content.losses.values())).values()))
    chosen = model.noise_to_signal[content.levels]
    return f"here {len(chosen)} of {len(model.times)} levels, noise-to-signal {chosen.min():.3g} to {chosen.max():.3g}"


def _step(step: Step | None) -> list[Any]:
    if step is None:
        return [None] * 4
    return [step.value, step.low, step.high, step.censored]


def _stop(content: Content, size: int) -> list[Any]:
    stop = content.stops.get(size)
    if stop is None:
        return [None] * 13
    there = content.found[size][int(stop.value)]["fractions"]
    return [*_step(stop), *(there[name][key] for name in CLASSES for key in ENDS)]


def snapshots_sentences(content: Content) -> list[str]:
    """Say how the beginnings of memorization and generalization depend on K, and where to stop."""
    return [_memorizes(content), *_generalizes(content), *_stops(content), *_one_mode(content)]


def _one_mode(content: Content) -> list[str]:
    """Say at how many K and steps the distances have two modes, so that a threshold has a valley of its own."""
    known = [pair for pair in content.dips.values() if pair is not None]
    if not known:
        return []
    level = (1 - content.confidence) / (2 * len(known))  # so that chance alone rejects none of them
    to_train, to_samples = (sum(pair[i] < level for pair in known) for i in range(2))
    return [
        f"At {len(known)} pairs of K and step, the distances to the training images have more than one mode at "
        f"{to_train}, and those to other samples at {to_samples} (Hartigan's dip test with Bonferroni's correction)."
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
    if not content.losses:
        return []
    found = content.generalizes
    if not found:
        return [
            "At every noise level some model predicts held-out images better than the pool's closed form, so the step "
            "at which models generalize cannot be told."
        ]
    told = ", ".join(
        f"{_BOUNDS[step.censored]}{step.value:,.0f} [{step.low:,.0f}, {step.high:,.0f}] at K = {size:,}"
        for size, step in found.items()
    )
    law, seen = content.slope_of_generalization, sum(not step.censored for step in found.values())
    power = (
        "" if law is None else f" Over the {seen} K at which this was seen, the step changes as K to the power "
        f"{law.value:.2f} [{law.low:.2f}, {law.high:.2f}]; Bonnaire et al. (2025) report 0."
    )  # fmt: skip
    near = f"first comes within {NEAR_BEST:.0%} of its smallest value"
    return [f"The excess of the held-out loss {near} at step {told}.{power}"]


_BOUNDS = {"": "", "before": "at most ", "after": "(if later steps are no better) "}


def _stops(content: Content) -> list[str]:
    """The recommended stop at the K where it spares the most copies, beside the last step."""
    last = {size: list(steps)[-1] for size, steps in content.found.items()}
    sure = {size: stop for size, stop in content.stops.items() if stop.high < last[size]}
    if not sure:
        return []

    def share(size: int, step: int, name: str) -> Estimate:
        return Estimate(**content.found[size][step]["fractions"][name])

    def spared(size: int) -> float:
        return share(size, last[size], CLASSES[0]).value - share(size, int(sure[size].value), CLASSES[0]).value

    size = max(sure, key=spared)
    stop = int(sure[size].value)
    there, end = (
        ", ".join(f"{percent(share(size, step, name))} {name}" for name in CLASSES) for step in (stop, last[size])
    )
    return [
        f"By the held-out loss, one would stop surely before the last step at {len(sure)} of {len(content.stops)} K. "
        f"This spares the most copies at K = {size:,}: at step {stop:,} the samples are {there}, and at step "
        f"{last[size]:,} {end}."
    ]
