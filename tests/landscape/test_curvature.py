"""Spectra against closed-form and automatic Jacobians."""

from __future__ import annotations

import inspect

import pytest
import torch

from amdiff.config import DiffusionSpec, MlpDenoiser, TrainingSpec
from amdiff.diffusion.denoisers import build_network
from amdiff.diffusion.exact import FiniteSet, Gaussian
from amdiff.diffusion.memory import DenseAssociativeMemory, vp_level
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import SampleNoise
from amdiff.diffusion.training import Trainer
from amdiff.landscape import relative_energy
from amdiff.landscape.curvature import score_spectra, singular_values
from amdiff.landscape.spectra import dimension_by_gap, dimension_by_threshold, normalisation

SCHEDULE = Schedule.linear(DiffusionSpec())


@pytest.mark.parametrize("t", [2, 15, 200])
def test_central_orthonormal_spectra_are_those_of_the_exact_jacobian(t: int) -> None:
    generator = torch.Generator().manual_seed(0)
    memories = torch.rand(20, 1, 4, 4, generator=generator, dtype=torch.float64) * 2 - 1
    images = memories[:6]
    ab = float(SCHEDULE.alpha_bar[t])
    jacobian = DenseAssociativeMemory(memories).jacobian(ab**0.5 * images, *vp_level(ab))
    expected = float(SCHEDULE.sigma[t]) * torch.linalg.svdvals(jacobian)
    found = score_spectra(FiniteSet(memories, SCHEDULE), images, t, SCHEDULE)
    if t == 200:  # the score is no longer linear over a step of sigma; the order of magnitude holds
        assert (found - expected).abs().max() < 0.2 * expected.max()
    else:
        assert (found - expected).abs().max() < 1e-3 * expected.max()


def test_central_orthonormal_spectra_are_those_of_a_networks_jacobian() -> None:
    """Within 1e-3 where the step is small; a larger one sees the network bend."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (12, 1, 4, 4), generator=generator, dtype=torch.uint8)
    network = build_network(MlpDenoiser(kind="mlp", width=48, blocks=2), (1, 4, 4), 1000, generator)
    training = TrainingSpec(iterations=1500, batch_size=64, learning_rate=3e-3, cap_batch=False, ema_decay=0.99)
    trainer = Trainer(network, images, training, SCHEDULE, iterations=1500, log_every=1500)
    trainer.run(1500)
    points = images[:4].double() / 127.5 - 1
    errors = []
    for t in (2, 15):
        sigma, signal = float(SCHEDULE.sigma[t]), float(SCHEDULE.alpha_bar[t] ** 0.5)

        def score(x: torch.Tensor, t: int = t, sigma: float = sigma) -> torch.Tensor:
            return -trainer.ema(x.view(1, 1, 4, 4), torch.tensor([t])).flatten() / sigma

        jacobians = torch.stack([torch.func.jacrev(score)(signal * p.flatten().float()) for p in points]).double()
        expected = sigma * torch.linalg.svdvals(jacobians)
        found = score_spectra(trainer.ema, points.float(), t, SCHEDULE)
        errors.append(((found - expected).abs().max() / expected.max()).item())
    assert errors[0] < 1e-3
    assert errors[1] < 1e-2


def test_gram_spectra_are_those_of_a_float64_svd() -> None:
    rows = torch.randn(3, 60, 20, dtype=torch.float64) * torch.logspace(0, -6, 20, dtype=torch.float64)
    expected = torch.linalg.svdvals(rows)
    found = singular_values(rows.mT @ rows)
    assert (found - expected).abs().max() < 1e-6 * expected.max()


@pytest.mark.parametrize("method", ["central", "one-sided"])
def test_gaussian_directions_agree_once_normalised(method: str) -> None:
    """At a single memory J = -I/v: all normalised values are 1/v, up to the spread of a random matrix."""
    memory, t = torch.zeros(1, 1, 6, 6, dtype=torch.float64), 15
    sigma, d = float(SCHEDULE.sigma[t]), 36
    rows = 400 * d
    found = score_spectra(
        FiniteSet(memory, SCHEDULE), memory, t, SCHEDULE, method=method, rows=rows, noise=SampleNoise(0, [7])
    ) / normalisation(sigma, rows, 1.0)
    assert torch.allclose(found * sigma**2, torch.ones_like(found), atol=0.12)
    orthonormal = score_spectra(FiniteSet(memory, SCHEDULE), memory, t, SCHEDULE) / normalisation(sigma, d, 1 / d)
    assert torch.allclose(orthonormal * sigma**2, torch.ones_like(orthonormal), rtol=1e-9)


def test_the_batch_changes_nothing() -> None:
    memories = torch.rand(5, 1, 3, 3, dtype=torch.float64) * 2 - 1
    model = FiniteSet(memories, SCHEDULE)
    large = score_spectra(model, memories, 2, SCHEDULE, rows=36, noise=SampleNoise(1, range(5)))
    small = score_spectra(model, memories, 2, SCHEDULE, rows=36, noise=SampleNoise(1, range(5)), batch=7)
    assert torch.allclose(small, large, rtol=1e-9)
    one = score_spectra(model, memories[3:4], 2, SCHEDULE, rows=36, noise=SampleNoise(1, [3]))
    assert torch.allclose(one[0], large[3], rtol=1e-9)


def test_a_plane_of_data_has_dimension_two() -> None:
    generator = torch.Generator().manual_seed(4)
    plane = torch.randn(300, 2, generator=generator, dtype=torch.float64) @ torch.randn(
        2, 16, generator=generator, dtype=torch.float64
    )
    model = Gaussian.fitted(plane.view(-1, 1, 4, 4), SCHEDULE)
    t = 2
    found = score_spectra(model, plane[:5].view(-1, 1, 4, 4), t, SCHEDULE).numpy()
    sigma = float(SCHEDULE.sigma[t])
    assert dimension_by_gap(found).tolist() == [2] * 5
    assert dimension_by_threshold(found / normalisation(sigma, 16, 1 / 16), sigma, 0.5).tolist() == [2] * 5


def test_a_memory_has_dimension_zero() -> None:
    memory = torch.rand(1, 1, 4, 4, dtype=torch.float64)
    sigma = float(SCHEDULE.sigma[2])
    found = score_spectra(FiniteSet(memory, SCHEDULE), memory, 2, SCHEDULE).numpy() / sigma
    assert dimension_by_threshold(found, sigma, 0.5).tolist() == [0]
    assert dimension_by_gap(found).tolist() == [0]


def test_one_sided_rows_hold_the_score_itself() -> None:
    """Off a memory the score is not zero: algorithm 3's rows are ``s(x) + sigma J q``, algorithm 2's ``sigma J q``."""
    memory, t, d = torch.zeros(1, 1, 2, 3, dtype=torch.float64), 15, 6
    image = torch.full((1, 1, 2, 3), 0.02, dtype=torch.float64)
    model, sigma, rows = FiniteSet(memory, SCHEDULE), float(SCHEDULE.sigma[t]), 24
    q = torch.from_numpy(SampleNoise(0, [7])((rows, d))[0]).double()
    own = -float(SCHEDULE.alpha_bar[t] ** 0.5) * image.flatten() / sigma**2
    for method, offset in (("central", 0 * own), ("one-sided", own)):
        found = score_spectra(model, image, t, SCHEDULE, method=method, rows=rows, noise=SampleNoise(0, [7]))
        assert torch.allclose(found[0], torch.linalg.svdvals(offset - q / sigma), rtol=1e-9)


def test_too_few_rows_are_refused() -> None:
    memory = torch.zeros(1, 4)
    with pytest.raises(ValueError, match="in 4 dimensions there are exactly 4 orthonormal directions"):
        score_spectra(FiniteSet(memory, SCHEDULE), memory, 2, SCHEDULE, rows=3, noise=SampleNoise(0, [0]))


def test_what_has_no_spectrum_is_refused() -> None:
    image = torch.rand(2, 1, 2, 2)
    exact = FiniteSet(image, SCHEDULE)
    for time in (-1, 1000):
        with pytest.raises(ValueError, match="indices of noise levels, 0 to 999"):
            score_spectra(exact, image, time, SCHEDULE)
        with pytest.raises(ValueError, match="indices of noise levels, 0 to 999"):
            relative_energy(exact, image, image, SCHEDULE, time=time)
    for broken in (image.to(torch.uint8), image[:0]):
        for measure in (score_spectra, relative_energy):  # as outside the tests, where types are not checked
            others = (2, SCHEDULE) if measure is score_spectra else (image, SCHEDULE)
            with pytest.raises(ValueError, match=r"floating-point|at least one"):
                inspect.unwrap(measure)(exact, broken, *others)
    with pytest.raises(ValueError, match="1 streams for 2 images"):
        score_spectra(exact, image, 2, SCHEDULE, rows=8, noise=SampleNoise(0, [0]))


def test_images_that_look_like_another_range_are_warned_of() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4, 1, 4, 4, generator=generator)
    with pytest.warns(UserWarning, match=r"where \[-1, 1\] is expected; take 2 x - 1"):
        score_spectra(FiniteSet(2 * images - 1, SCHEDULE), images, 2, SCHEDULE)
