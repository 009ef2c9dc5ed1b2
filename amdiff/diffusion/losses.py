"""The loss of a denoiser at single noise levels, and its distance to other denoisers there.

The loss is ``E |n - eps(x_t, t)|^2 / d`` at one noise level t, where d is the number of values of an image. The
distance to another denoiser is ``E |eps(x_t, t) - eps'(x_t, t)|^2 / d``. Both are per image, with noise that depends
only on the image's number. So the losses of several models have the same noise, and are compared image by image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from amdiff.errors import AmdiffError

from .denoisers import Denoiser
from .processes import Schedule
from .randomness import SampleNoise


@dataclass(frozen=True)
class LevelLosses:
    """Losses of a denoiser and of its references at each image and noise level, in units of the noise's variance."""

    loss: Float64[np.ndarray, "n t"]
    """Loss of the denoiser."""
    references: dict[str, Float64[np.ndarray, "n t"]]
    """Loss of each reference."""
    distances: dict[str, Float64[np.ndarray, "n t"]]
    """Mean squared difference between the noise that the denoiser and each reference predict."""


@torch.inference_mode()
def level_losses(
    denoiser: Denoiser,
    images: Float[Tensor, "n ..."],
    times: Sequence[int],
    schedule: Schedule,
    noise: SampleNoise,
    *,
    references: Mapping[str, Denoiser] | None = None,
    draws: int = 1,
) -> LevelLosses:
    """Return the losses of a denoiser at each image and noise level, and its distances to reference denoisers.

    Parameters
    ----------
    denoiser
        Predicts the noise in x at times t.
    images
        Images (n, *shape) in [-1, 1], as floating-point numbers.
    times
        Indices of the noise levels, 0 to T-1.
    schedule
        The noise levels of the denoiser.
    noise
        A stream of noise for each image.
    references
        Other denoisers by name, such as closed forms, which get the same noisy images. Default none.
    draws
        Number of noises at each image and level, over which the mean is taken. Default 1.

    Raises
    ------
    ValueError
        Where images are not floating-point numbers, their number is not that of the streams, or a time is outside the
        schedule.
    """
    if not images.is_floating_point() or len(images) != len(noise):
        raise AmdiffError(
            f"expected one floating-point image for each of the {len(noise)} streams of noise, got {len(images)} of "
            f"{images.dtype}"
        )
    if outside := [t for t in times if not 0 <= t < len(schedule)]:
        raise AmdiffError(f"times are indices of noise levels, 0 to {len(schedule) - 1}, got {outside}")
    named = dict(references or {})
    shape = (len(images), len(times))
    loss = np.zeros(shape)
    theirs, apart = ({name: np.zeros(shape) for name in named} for _ in range(2))
    signals, sigmas = schedule.levels(np.array(times))
    for column, (time, signal, sigma) in enumerate(zip(times, signals, sigmas, strict=True)):
        t = torch.full((len(images),), time, dtype=torch.int64, device=images.device)
        for _ in range(draws):
            n = torch.from_numpy(noise(images.shape[1:])).to(images)
            x = float(signal) * images + float(sigma) * n
            predicted = denoiser(x, t)
            loss[:, column] += _mean_square(predicted - n)
            for name, reference in named.items():
                other = reference(x, t)
                theirs[name][:, column] += _mean_square(other - n)
                apart[name][:, column] += _mean_square(other - predicted)
    for total in (loss, *theirs.values(), *apart.values()):
        total /= draws
    return LevelLosses(loss, theirs, apart)


def _mean_square(difference: Tensor) -> Float64[np.ndarray, " n"]:
    return difference.flatten(1).double().square().mean(1).cpu().numpy()


def spread_times(schedule: Schedule, count: int) -> Int64[np.ndarray, " levels"]:
    """Return the indices of at most ``count`` noise levels, evenly spaced in the logarithm of noise-to-signal.

    They are increasing, and the first and the last level are among them. Raises ``ValueError`` for a count below 2.
    """
    if count < 2:
        raise AmdiffError(f"at least two noise levels are needed, got {count}")
    ratio = _log_ratio(schedule)
    wanted = np.linspace(ratio[0], ratio[-1], count)
    return np.unique(np.abs(ratio[:, None] - wanted).argmin(axis=0))


def level_weights(schedule: Schedule, times: Int64[np.ndarray, " levels"]) -> Float64[np.ndarray, " levels"]:
    """Return weights, of sum 1, with which a sum over noise levels is about the mean over a uniform t, as in training.

    Between the increasing indices ``times``, a loss is taken to be linear in the logarithm of noise-to-signal. Before
    the first and after the last one it is taken to be constant.
    """
    ratio = _log_ratio(schedule)
    hats = np.array([np.interp(ratio, ratio[times], one) for one in np.eye(len(times))])
    return np.asarray(hats.mean(axis=1))


def _log_ratio(schedule: Schedule) -> Float64[np.ndarray, " steps"]:
    """Logarithm of the noise-to-signal ratio of every noise level."""
    signal, sigma = schedule.levels(np.arange(len(schedule)))
    return np.asarray(np.log(sigma) - np.log(signal))
