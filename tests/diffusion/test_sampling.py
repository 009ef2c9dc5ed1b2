"""Sampling: noise of (seed, index) alone, and distributions that the closed forms prescribe."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amdiff.config import DiffusionSpec, MlpDenoiser, SamplingSpec
from amdiff.diffusion.denoisers import build_network
from amdiff.diffusion.exact import FiniteSet, Gaussian
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import SampleNoise
from amdiff.diffusion.samplers import sampler_steps
from amdiff.diffusion.sampling import draw, from_uint8, to_uint8

SCHEDULE = Schedule.linear(DiffusionSpec())


def test_noise_depends_on_seed_and_index_alone() -> None:
    whole = SampleNoise(7, range(10))
    first, second = whole((2, 3)), whole((2, 3))
    alone = SampleNoise(7, [6])
    assert np.array_equal(alone((2, 3))[0], first[6])
    assert np.array_equal(alone((2, 3))[0], second[6])
    assert not np.array_equal(SampleNoise(8, [6])((2, 3))[0], first[6])
    assert len({row.tobytes() for row in first}) == 10


def test_noise_is_standard_normal_and_uncorrelated() -> None:
    noise = SampleNoise(0, range(200))((500,))
    assert abs(noise.mean()) < 0.01
    assert noise.std() == pytest.approx(1, abs=0.01)
    correlation = np.corrcoef(noise)
    assert np.abs(correlation - np.eye(200)).max() < 0.25


def test_the_stream_is_frozen() -> None:
    """These numbers stand behind published samples: they may never change."""
    found = SampleNoise(0, [0, 1])((3,))
    assert np.allclose(found, FROZEN, atol=1e-6)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_batch_size_and_order_change_images_by_rounding_only(sampler: str) -> None:
    network = build_network(MlpDenoiser(kind="mlp", width=24), (1, 4, 4), 1000, torch.Generator().manual_seed(0)).eval()
    steps = sampler_steps(SCHEDULE, SamplingSpec(sampler=sampler, steps=20))
    whole = draw(network, steps, SampleNoise(1, range(9)), (1, 4, 4))
    parts = torch.cat(
        [draw(network, steps, SampleNoise(1, part), (1, 4, 4)) for part in (range(4), range(4, 5), range(5, 9))]
    )
    assert (whole - parts).abs().max() < 1e-5
    again = draw(network, steps, SampleNoise(1, range(9)), (1, 4, 4))
    assert torch.equal(whole, again)


def test_samples_of_a_finite_set_are_its_memories_in_equal_shares() -> None:
    memories = from_uint8(torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 1, 4, 4), dtype=np.uint8)))
    x = draw(
        FiniteSet(memories, SCHEDULE),
        sampler_steps(SCHEDULE, SamplingSpec(steps=100)),
        SampleNoise(0, range(800)),
        (1, 4, 4),
    )
    squares = (x[:, None] - memories).flatten(2).square().sum(2)
    assert squares.min(dim=1).values.max() < 1e-4
    counts = np.bincount(squares.argmin(dim=1).numpy(), minlength=4)
    assert counts.min() > 150  # 200 each, standard deviation 12
    assert torch.equal(to_uint8(x), to_uint8(memories)[squares.argmin(dim=1)])


def test_samples_of_a_gaussian_have_its_moments() -> None:
    generator = torch.Generator().manual_seed(0)
    data = 0.3 * torch.randn(4000, 3, generator=generator, dtype=torch.float64) @ torch.tensor(
        [[1.0, 0.8, 0.0], [0.0, 0.5, 0.3], [0.0, 0.0, 0.7]], dtype=torch.float64
    ) + torch.tensor([0.2, -0.1, 0.4])
    x = draw(
        Gaussian.fitted(data, SCHEDULE),
        sampler_steps(SCHEDULE, SamplingSpec()),
        SampleNoise(0, range(3000)),
        (3,),
        clip=False,
    )
    assert torch.allclose(x.double().mean(0), data.mean(0), atol=0.03)
    assert torch.allclose(torch.cov(x.double().T), torch.cov(data.T), atol=0.012)


def test_clipping_keeps_images_in_range() -> None:
    x = draw(lambda x, t: -5 * x, sampler_steps(SCHEDULE, SamplingSpec(steps=10)), SampleNoise(0, range(4)), (2, 2))
    assert x.abs().max() <= 1


def test_samples_that_are_no_numbers_are_refused() -> None:
    steps = sampler_steps(SCHEDULE, SamplingSpec(steps=3))
    with pytest.raises(ValueError, match="NaN or infinite"):
        draw(lambda x, t: x * float("nan"), steps, SampleNoise(0, range(2)), (2, 2))


def test_uint8_round_trip() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(from_uint8(values)), values)
    assert to_uint8(torch.tensor([-2.0, 2.0])).tolist() == [0, 255]
    assert from_uint8(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1, 1]


FROZEN = [
    [0.05991100147366524, 0.015560000203549862, -1.164438009262085],
    [-1.4314630031585693, 1.6707170009613037, -0.4027239978313446],
]
