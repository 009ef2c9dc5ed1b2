"""What a report says first: the main finding, the model, and how much the thresholds influence the shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amdiff.config import ExperimentSpec, Sweep

from .phases_sentences import Summary, implausible, most_spurious, moved_peaks, share, spurious_words


def model_words(spec: Sweep) -> str:
    """The model of an experiment in words, and how it was trained."""
    words, training = spec.denoiser.words, spec.training
    if not spec.trained:
        return words
    return (
        f"{words}; {training.iterations:,} training steps with batch size {training.batch_size}, learning rate "
        f"{training.learning_rate:g}"
    )


def recipe(spec: ExperimentSpec, trainings: int = 1) -> str:
    """Training length and sampler of an experiment, for the note below a figure; empty where nothing is sampled.

    ``trainings`` is the number of trainings that the figure is about, for each K. Default 1.
    """
    if not spec.denoiser.modelled:
        return ""
    sampler = f"{spec.sampling.sampler.upper()} with {spec.sampling.steps or spec.diffusion.steps} steps"
    if not spec.trained:
        return sampler
    lengths = sorted({spec.training.resolved_for(size)["iterations"] for size in spec.first_sizes})
    steps = f"{lengths[0]:,}" if len(lengths) == 1 else f"{lengths[0]:,} to {lengths[-1]:,}"
    count = "one training" if trainings == 1 else f"{trainings} trainings"
    return f"{count} of {steps} steps at each K; {sampler}"


def lead(summaries: Sequence[Summary], given: str = "") -> str:
    """The main finding of a sweep in one sentence, which a reader sees first.

    ``given`` says what the intervals hold for; default empty.
    """
    said = f" (intervals {given})" if given else ""
    if found := implausible(summaries):
        return found[0]
    first, last = summaries[0], summaries[-1]
    if len(summaries) == 1:
        return (
            f"Of {first['set_size']:,} samples, {share(first, 'memorized')} are memorized, "
            f"{share(first, 'spurious')} are spurious ({spurious_words(first)}"
            f"{'' if first['fractions']['spurious']['low'] else '; this may be chance'}), and "
            f"{share(first, 'generalized')} are neither{said}."
        )
    ends = (
        f"{first['fractions']['memorized']['value']:.1%} of the samples are copies of training images at "
        f"K = {first['size']:,} and {last['fractions']['memorized']['value']:.1%} at K = {last['size']:,}"
    )
    peak = most_spurious(summaries)
    if not peak["fractions"]["spurious"]["value"]:
        return f"{ends}; no sample is spurious at any K."
    where = f"at K = {peak['size']:,}"
    if moved := moved_peaks(summaries):
        others = ", ".join(f"{k:,}" for k in sorted(set(moved.values())))
        where += f" (with other thresholds that the data allow, at K = {others})"
    what = f"spurious samples, {spurious_words(peak)}"
    return f"{ends}; {what}, have their largest share, {share(peak, 'spurious')}, {where}{said}."


def robustness(thresholds: Sequence[dict[str, Any]], peak: int) -> str:
    """Say how much the shares change when a threshold is halved or doubled; empty if that was not tried.

    The factors nearest to 0.5 and 2 are used. ``peak`` is the K whose spurious share is told.
    """
    factors = thresholds[0]["sensitivity"]["factors"]
    if len(factors) < 2:
        return ""
    centre = min(range(len(factors)), key=lambda i: abs(factors[i] - 1))
    low, high = (min(range(len(factors)), key=lambda i: abs(factors[i] - f)) for f in (0.5, 2.0))

    (there,) = [t for t in thresholds if t["size"] == peak]
    spurious = [there["sensitivity"]["spurious"][centre][i] for i in (low, centre, high)]
    at_peak = f" at K = {peak:,}" if len(thresholds) > 1 else ""
    most = max(thresholds, key=lambda t: abs(
        t["sensitivity"]["memorized"][high][centre] - t["sensitivity"]["memorized"][low][centre]
    ))  # fmt: skip
    memorized = [most["sensitivity"]["memorized"][i][centre] for i in (low, centre, high)]
    where = f" at K = {most['size']:,}, where it changes most," if len(thresholds) > 1 else ""
    return (
        f"Of all samples{at_peak}, {spurious[1]:.1%} are spurious. It would be {spurious[0]:.1%} or {spurious[2]:.1%} "
        f"if δ_s were {factors[low]:g} or {factors[high]:g} times as large. The memorized share{where} is "
        f"{memorized[1]:.1%}. It would be {memorized[0]:.1%} or {memorized[2]:.1%} if δ_m were changed in the same way."
    )
