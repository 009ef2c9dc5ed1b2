"""The VE process of the toy model: training pairs, the network, Euler-Maruyama."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amdiff.config import CircleDataset, FourierMlpDenoiser, TrainingSpec
from amdiff.data.builtin import circle
from amdiff.data.subsets import circle_subset
from amdiff.diffusion.corruption import draw_pair, noisy
from amdiff.diffusion.denoisers import Denoiser, build_network
from amdiff.diffusion.exact import FiniteSet, Gaussian
from amdiff.diffusion.processes import VarianceExploding
from amdiff.diffusion.randomness import SampleNoise
from amdiff.diffusion.samplers import euler_maruyama_steps
from amdiff.diffusion.sampling import draw
from amdiff.diffusion.training import Trainer

POINTS = torch.tensor([[1.0, 0.0], [-1.0, 0.2], [0.0, -1.0]])


def draw_ve(
    denoiser: Denoiser,
    process: VarianceExploding,
    noise: SampleNoise,
    shape: tuple[int, ...],
    *,
    steps: int,
    end: float,
) -> torch.Tensor:
    return draw(denoiser, euler_maruyama_steps(process, steps, end), noise, shape, process=process, clip=False)


def test_the_pair_of_two_training_points_is_that_of_the_paper() -> None:
    pool = circle(CircleDataset(kind="circle"))
    pair = pool[circle_subset(len(pool), 2, 42)]
    assert np.linalg.norm(pair[0] - pair[1]) == pytest.approx(1.997, abs=1e-3)
    assert (circle_subset(len(pool), 9, 42)[:2] == circle_subset(len(pool), 2, 42)).all()
    with pytest.raises(ValueError, match="choose K between 1 and 10"):
        circle_subset(10, 11, 42)


def test_training_pairs_follow_the_process() -> None:
    x0 = torch.zeros(20_000, 2)
    process = VarianceExploding(2.0, 0.25)
    t, noise = draw_pair(process, x0.shape, torch.Generator().manual_seed(0))
    x = noisy(process, x0, t, noise)
    assert 0.25 <= t.min() < 0.26
    assert 0.99 < t.max() <= 1
    assert torch.allclose(x, 2 * t.sqrt()[:, None] * noise)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)


def test_samples_of_a_finite_set_are_its_points_in_equal_shares() -> None:
    process = VarianceExploding()
    drawn = draw_ve(FiniteSet(POINTS, process), process, SampleNoise(0, range(600)), (2,), steps=300, end=1e-3)
    distance = torch.cdist(drawn, POINTS)
    assert distance.min(dim=1).values.max() < 0.01
    shares = torch.bincount(distance.argmin(dim=1), minlength=3) / 600
    assert torch.allclose(shares, torch.full((3,), 1 / 3), atol=0.12)  # N(0, 1) is not quite the marginal at t = 1


def test_samples_of_a_gaussian_have_its_spread() -> None:
    process = VarianceExploding(3.0)  # the larger sigma, the better N(0, sigma^2) is the end
    model = Gaussian(torch.zeros(2), torch.diag(torch.tensor([0.5, 0.1])), process)
    drawn = draw_ve(model, process, SampleNoise(1, range(4000)), (2,), steps=1000, end=1e-3)
    assert torch.allclose(drawn.var(dim=0), torch.tensor([0.5, 0.1]), rtol=0.12)


def test_a_sample_does_not_depend_on_its_batch() -> None:
    process = VarianceExploding()
    model = FiniteSet(POINTS, process)
    together = draw_ve(model, process, SampleNoise(0, range(5)), (2,), steps=20, end=1e-3)
    alone = draw_ve(model, process, SampleNoise(0, [3]), (2,), steps=20, end=1e-3)
    assert torch.allclose(together[3:4], alone, atol=1e-6)


def test_the_network_learns_the_exact_score() -> None:
    process = VarianceExploding()
    generator = torch.Generator().manual_seed(0)
    spec = FourierMlpDenoiser(kind="fourier-mlp", width=32, blocks=3, time_features=16, time_scale=2.0)
    network = build_network(spec, (2,), 1, generator)
    training = TrainingSpec(iterations=1500, batch_size=256, learning_rate=3e-3, schedule="cosine", ema_decay=0.99)
    trainer = Trainer(
        network, POINTS, training.model_copy(update={"cap_batch": False}), VarianceExploding(start=1e-5),
        iterations=1500, log_every=100,
    )  # fmt: skip
    trainer.run(1500)
    x0 = POINTS.repeat(500, 1)
    t, noise = draw_pair(VarianceExploding(start=0.05), x0.shape, generator)
    x = noisy(process, x0, t, noise)
    exact = FiniteSet(POINTS, process)(x, t)
    with torch.inference_mode():
        learned = trainer.ema(x, t)
    assert (learned - exact).square().mean() < 0.02 * (noise - exact).square().mean() + 0.02


def test_samples_that_are_not_numbers_are_an_error() -> None:
    process = VarianceExploding()
    with pytest.raises(ValueError, match="NaN or infinite"):
        draw_ve(lambda x, t: x * torch.nan, process, SampleNoise(0, [0]), (2,), steps=2, end=0.1)
