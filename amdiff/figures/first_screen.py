"""What a report says first: one sentence, the model, and how far the thresholds decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amdiff.config import Sweep

from .phases_tables import Summary, implausible, most_spurious, share


def model_words(spec: Sweep) -> str:
    """The model of an experiment, and how it was trained."""
    words, training = spec.denoiser.words, spec.training
    if not spec.trained:
        return words
    return f"{words}; {training.iterations:,} steps of {training.batch_size}, learning rate {training.learning_rate:g}"


def lead(summaries: Sequence[Summary]) -> str:
    """The one sentence of a sweep that a reader sees first."""
    if found := implausible(summaries):
        return found[0]
    first, last = summaries[0], summaries[-1]
    if len(summaries) == 1:
        return (
            f"Of {first['n_samples']:,} samples, {share(first, 'memorized')} are memorized, "
            f"{share(first, 'spurious')} come again farther than δ_m from every training image"
            f"{'' if first['fractions']['spurious']['low'] else ', which may be chance'}, and "
            f"{share(first, 'generalized')} are new."
        )
    ends = (
        f"{first['fractions']['memorized']['value']:.1%} of the samples are copies of training images at "
        f"K = {first['size']:,}, {last['fractions']['memorized']['value']:.1%} at K = {last['size']:,}"
    )
    peak = most_spurious(summaries)
    if not peak["fractions"]["spurious"]["value"]:
        return f"{ends}; none is spurious at any K."
    return (
        f"{ends}; spurious samples, which come again and lie farther than δ_m from every training image, are "
        f"{share(peak, 'spurious')} at K = {peak['size']:,}, where they are most."
    )


def robustness(thresholds: Sequence[dict[str, Any]]) -> str:
    """How far the largest shares move when the thresholds do; empty where that was not tried."""
    factors = thresholds[0]["sensitivity"]["factors"]
    if len(factors) < 2:
        return ""
    centre = min(range(len(factors)), key=lambda i: abs(factors[i] - 1))
    low, high = (min(range(len(factors)), key=lambda i: abs(factors[i] - f)) for f in (0.5, 2.0))

    peak = "The spurious peak" if len(thresholds) > 1 else "The spurious share"
    spurious = [max(t["sensitivity"]["spurious"][centre][i] for t in thresholds) for i in (low, centre, high)]
    most = max(thresholds, key=lambda t: abs(
        t["sensitivity"]["memorized"][high][centre] - t["sensitivity"]["memorized"][low][centre]
    ))  # fmt: skip
    memorized = [most["sensitivity"]["memorized"][i][centre] for i in (low, centre, high)]
    where = f" at K = {most['size']:,}, where it moves most," if len(thresholds) > 1 else ""
    return (
        f"{peak} is {spurious[1]:.1%}, and {spurious[0]:.1%} or {spurious[2]:.1%} if δ_s were {factors[low]:g} or "
        f"{factors[high]:g} times as large; the memorized share{where} is {memorized[1]:.1%}, and "
        f"{memorized[0]:.1%} or {memorized[2]:.1%} with such a δ_m."
    )
