"""Losses on training images and on held-out images, and when a model begins to generalize.

Most of a loss is noise that no denoiser can predict. What remains is judged by its excess over the closed form of a
large pool of images. Where the noise is low, that closed form knows only its own images and is no standard, since
models that interpolate do better there. So the excess counts the noise levels at which no model surely does better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy
from jaxtyping import Bool, Float64, Int64

from .intervals import Estimate, grouped_mean

NEAR_BEST = 0.05
"""A model generalizes once its excess loss is within this share of the smallest one over all steps."""

RESAMPLES = 2000
"""Number of resamples of the held-out images behind the interval of a step."""

Values = dict[str, Float64[np.ndarray, "_ t"]]
"""Losses and distances at each image and noise level: 'loss' of the model, 'loss_pool' and so on of the closed forms,
and 'distance_pool' and so on between both."""


@dataclass(frozen=True)
class ModelLosses:
    """Losses of one model."""

    times: Int64[np.ndarray, " t"]
    """Indices of the noise levels."""
    noise_to_signal: Float64[np.ndarray, " t"]
    """The noise-to-signal ratio of each."""
    weights: Float64[np.ndarray, " t"]
    """With these weights, a sum over levels is the mean over a uniform t, as in training."""
    train: Values
    """At training images."""
    heldout: Values | None
    """At held-out images; None if there are none."""
    pool: int
    """Number of images of the pool."""

    def beaten(self, confidence: float) -> Bool[np.ndarray, " t"]:
        """Noise levels at which the model surely predicts held-out images better than the closed form of the pool."""
        held = self.heldout
        if held is None or "loss_pool" not in held:
            return np.ones(len(self.times), bool)
        better = held["loss"] - held["loss_pool"]
        error = better.std(axis=0, ddof=1) / len(better) ** 0.5
        return np.asarray(better.mean(axis=0) + float(scipy.special.ndtri(confidence)) * error < 0)

    @cached_property
    def heldout_means(self) -> Float64[np.ndarray, " n"]:
        """Loss on each held-out image, as the mean over noise levels."""
        assert self.heldout is not None
        return np.asarray(self.heldout["loss"] @ self.weights)

    def heldout_at(self, name: str, levels: Bool[np.ndarray, " t"]) -> Float64[np.ndarray, " n"] | None:
        """Values of each held-out image, as the mean over some noise levels; None where they were not measured."""
        values = self._values("heldout", name)
        return (
            None
            if values is None
            else np.asarray(values[:, levels] @ (self.weights[levels] / self.weights[levels].sum()))
        )

    def mean(self, group: str, name: str, confidence: float) -> Estimate | None:
        """Mean over images and noise levels, with Student's interval over images; None where it was not measured."""
        values = self._values(group, name)
        return None if values is None else image_mean(values @ self.weights, confidence)

    def at_levels(self, group: str, name: str, confidence: float) -> list[Estimate] | None:
        """Mean over images at each noise level; None where it was not measured."""
        values = self._values(group, name)
        return None if values is None else [image_mean(column, confidence) for column in values.T]

    def _values(self, group: str, name: str) -> Float64[np.ndarray, "_ t"] | None:
        values: Values | None = getattr(self, group)
        return None if values is None else values.get(name)


def image_mean(values: Float64[np.ndarray, " n"], confidence: float) -> Estimate:
    """Return the mean of one value of each image, with Student's interval."""
    return grouped_mean(values, np.arange(len(values)), confidence)[0]


def standard_levels(models: Sequence[ModelLosses], confidence: float = 0.95) -> Bool[np.ndarray, " t"]:
    """Noise levels at which no model surely predicts held-out images better than the closed form of the pool.

    The test has Bonferroni's correction for the numbers of models and levels, so that chance alone leaves no level out.
    """
    each = 1 - (1 - confidence) / (len(models) * len(models[0].times))
    return np.asarray(~np.array([model.beaten(each) for model in models]).any(axis=0))


def excess(model: ModelLosses, levels: Bool[np.ndarray, " t"]) -> Float64[np.ndarray, " n"]:
    """Loss on each held-out image in excess of the pool's closed form, as the mean over the given noise levels."""
    own, pool = (model.heldout_at(name, levels) for name in ("loss", "loss_pool"))
    assert own is not None
    assert pool is not None
    return own - pool


@dataclass(frozen=True)
class Step:
    """A training step with its interval over held-out images."""

    value: float
    """The step."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end."""
    censored: str
    """'before' where it is the first step that was looked at, 'after' where the smallest loss is at the last one; else
    empty. The true step may lie before, or after, those that were looked at."""


def generalizes(
    steps: Sequence[int], excesses: Float64[np.ndarray, "s n"], confidence: float = 0.95, seed: int = 0
) -> Step:
    """Return the first step at which the excess loss is within 5 % of its smallest value over the steps.

    It is interpolated in log step, between the steps that were looked at.

    Parameters
    ----------
    steps
        The steps that were looked at, increasing, (s,).
    excesses
        Loss in excess of the pool's closed form at each step and held-out image, (s, n). The images are the same at
        every step.
    confidence
        Level of the interval, between 0 and 1. Default 0.95. It comes from a bootstrap over images.
    seed
        Seed of the bootstrap. Default 0.
    """
    return _found(steps, excesses, _first_near_best, confidence, seed)


def best_step(
    steps: Sequence[int], losses: Float64[np.ndarray, "s n"], confidence: float = 0.95, seed: int = 0
) -> Step:
    """Return the step with the smallest mean loss over held-out images. The arguments are those of ``generalizes``."""
    found = _found(steps, losses, lambda means, logs: logs[means.argmin(axis=-1)], confidence, seed)
    return replace(found, value=round(found.value), low=round(found.low), high=round(found.high))


def _first_near_best(means: Float64[np.ndarray, "b s"], logs: Float64[np.ndarray, " s"]) -> Float64[np.ndarray, " b"]:
    """Logarithm of the first step near the best, for each row of mean losses."""
    least = means.min(axis=-1, keepdims=True)
    beyond = means - (least + NEAR_BEST * abs(least))
    after = (beyond <= 0).argmax(axis=-1)
    before, rows = np.maximum(after - 1, 0), np.arange(len(means))
    over, under = beyond[rows, before], beyond[rows, after]
    part = np.where(after > 0, over / np.where(after > 0, over - under, 1), 0)
    return np.asarray(logs[before] + part * (logs[after] - logs[before]))


def _found(
    steps: Sequence[int],
    values: Float64[np.ndarray, "s n"],
    choose: Callable[[np.ndarray, np.ndarray], np.ndarray],
    confidence: float,
    seed: int,
) -> Step:
    """The step that ``choose`` finds from mean losses (b, s) and log steps (s,), with its interval."""
    n, logs = values.shape[1], np.log(np.array(steps, np.float64))
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    tail = (1 - confidence) / 2
    means = values.mean(axis=1)
    value = float(choose(means[None], logs)[0])
    low, high = np.quantile(choose(counts @ values.T / n, logs), [tail, 1 - tail], method="nearest")
    censored = "before" if value == logs[0] else "after" if means.argmin() == len(steps) - 1 else ""
    found, low, high = (float(np.exp(v)) for v in (value, min(low, value), max(high, value)))
    return Step(found, low, high, censored)
