"""Noise that is drawn ahead: the numbers of ``SampleNoise``, in its order, whatever the number of threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from amdiff.config import DiffusionSpec, SamplingSpec
from amdiff.diffusion import sampling
from amdiff.diffusion.noise_ahead import NoiseAhead
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import SampleNoise
from amdiff.diffusion.samplers import sampler_steps
from amdiff.diffusion.sampling import draw

SHAPE = (3, 5, 4)


@pytest.mark.parametrize("threads", [1, 2, 3, 7, 20])
def test_threads_draw_the_same_numbers(threads: int) -> None:
    plain = SampleNoise(5, range(30, 37))
    with NoiseAhead(SampleNoise(5, range(30, 37)), SHAPE, threads=threads) as ahead:
        found = [ahead(SHAPE) for _ in range(6)]
    for drawn in found:  # each call has memory of its own: later ones do not write over it
        assert np.array_equal(drawn.numpy(), plain(SHAPE))


def test_the_threads_end() -> None:
    before = threading.active_count()
    with NoiseAhead(SampleNoise(0, range(4)), SHAPE, threads=4) as ahead:
        ahead(SHAPE)
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_another_shape_is_refused() -> None:
    with (
        NoiseAhead(SampleNoise(0, range(4)), SHAPE, threads=1) as ahead,
        pytest.raises(ValueError, match=r"noise of shape \(3, 5, 4\) is drawn ahead, but \(3, 5\) was asked for"),
    ):
        ahead((3, 5))


def test_samples_are_the_same_with_noise_drawn_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = Schedule.linear(DiffusionSpec())
    steps = sampler_steps(schedule, SamplingSpec(steps=9))

    def drawn() -> np.ndarray:
        return draw(lambda x, t: x / 2, steps, SampleNoise(3, range(11)), SHAPE).numpy()

    plain = drawn()
    monkeypatch.setattr(sampling, "_fetched", lambda noise, shape, device: NoiseAhead(noise, shape, threads=3))
    assert np.array_equal(drawn(), plain)
