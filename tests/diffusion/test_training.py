"""Training: what a step does, that it learns, and that stopping and resuming changes no bit."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch

from amdiff.config import DiffusionSpec, MlpDenoiser, TrainingSpec, UnetDenoiser
from amdiff.diffusion.denoisers import build_network
from amdiff.diffusion.ema import ema_decay
from amdiff.diffusion.exact import FiniteSet
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.sampling import from_uint8
from amdiff.diffusion.training import Trainer, TrainingDiverged, learning_rate

SCHEDULE = Schedule.linear(DiffusionSpec())
MLP = MlpDenoiser(kind="mlp", width=32, blocks=1, time_features=16, dropout=0.2)
UNET = UnetDenoiser(kind="unet", width=8, multipliers=(1, 1), attention_at=(), norm_groups=4, dropout=0.3)


def trainer(network: MlpDenoiser | UnetDenoiser = MLP, iterations: int = 30, **options: Any) -> Trainer:
    spec = TrainingSpec(**{"learning_rate": 1e-2, "warmup": 5, "schedule": "cosine", "ema_decay": 0.9, **options})
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 1, 4, 4), dtype=np.uint8))
    built = build_network(network, (1, 4, 4), 1000, torch.Generator().manual_seed(spec.seed))
    return Trainer(built, images, spec, SCHEDULE, iterations=iterations, log_every=10)


def weights(t: Trainer) -> list[torch.Tensor]:
    return list(t.ema.state_dict().values())


@pytest.mark.parametrize("network", [MLP, UNET], ids=["mlp", "unet"])
@pytest.mark.parametrize("stop", [1, 13, 29])
def test_a_resumed_run_gives_the_same_bits(network: MlpDenoiser | UnetDenoiser, stop: int) -> None:
    whole = trainer(network)
    whole.run(1000)
    first = trainer(network)
    first.run(stop)
    file = io.BytesIO()
    torch.save(first.state(), file)
    second = trainer(network)
    second.restore(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    torch.randn(7)  # the global generator plays no part
    second.run(1000)
    assert second.finished
    assert second.log == whole.log
    assert [line["step"] for line in whole.log] == [10, 20, 30]
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(second), strict=True))


def test_seeds_matter() -> None:
    a, b = trainer(), trainer(seed=1)
    a.run(3)
    b.run(3)
    assert not torch.equal(weights(a)[0], weights(b)[0])


def test_training_leaves_the_global_generator_alone() -> None:
    t = trainer()
    before = torch.random.get_rng_state()
    t.run(3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    spec = TrainingSpec(learning_rate=1.0, warmup=10, schedule="cosine")
    rates = [learning_rate(spec, s, 110) for s in range(110)]
    assert np.allclose(rates[:10], np.arange(1, 11) / 10)
    assert rates[60] == pytest.approx(0.5)
    assert rates[-1] < 1e-3
    constant = TrainingSpec(learning_rate=0.5, warmup=0)
    assert learning_rate(constant, 0, 10) == learning_rate(constant, 9, 10) == 0.5


def test_the_average_follows_its_decay() -> None:
    t = trainer(ema_warmup=False)
    start = [p.clone() for p in t.ema.parameters()]
    t.run(1)
    for old, new, average in zip(start, t.network.parameters(), t.ema.parameters(), strict=True):
        assert torch.allclose(average, 0.9 * old + 0.1 * new, atol=1e-7)
    assert ema_decay(TrainingSpec(ema_warmup=True), 0) == 0.1
    assert ema_decay(TrainingSpec(ema_warmup=True, ema_decay=0.99), 10_000) == 0.99


def test_gradients_are_clipped() -> None:
    t = trainer(clip_norm=1e-3)
    t.run(1)
    norm = torch.stack([p.grad.norm() for p in t.network.parameters() if p.grad is not None]).norm()
    assert norm <= 1.001e-3


def test_a_batch_is_at_most_the_training_set_unless_told_otherwise() -> None:
    assert TrainingSpec(batch_size=64).batch_for(5) == 5
    assert TrainingSpec(batch_size=64, cap_batch=False).batch_for(5) == 64


def test_a_diverged_run_says_so() -> None:
    t = trainer(clip_norm=None)
    with torch.no_grad():
        next(iter(t.network.parameters())).fill_(torch.nan)
    with pytest.raises(TrainingDiverged, match=r"loss is nan at step 10; lower training\.learning_rate"):
        t.run(10)


def test_weights_that_are_no_numbers_are_not_saved() -> None:
    t = trainer()
    t.check()
    with torch.no_grad():
        next(iter(t.ema.parameters())).fill_(torch.inf)
    with pytest.raises(TrainingDiverged, match="the averaged weights are NaN or infinite"):
        t.check()


def test_bfloat16_trains_float32_weights() -> None:
    t = trainer(precision="bfloat16")
    t.run(3)
    assert {p.dtype for p in t.network.parameters()} == {torch.float32}
    assert all(torch.isfinite(p).all() for p in t.network.parameters())


def test_the_loss_approaches_that_of_the_exact_denoiser() -> None:
    """On five images a trained network must come near the best possible noise prediction."""
    spec = MlpDenoiser(kind="mlp", width=64, blocks=2, time_features=32)
    t = trainer(
        spec, 3000, batch_size=128, cap_batch=False, learning_rate=5e-3, warmup=100, ema_decay=0.99, clip_norm=1.0
    )
    t.run(3000)
    generator = torch.Generator().manual_seed(9)
    rows = torch.randint(5, (4000,), generator=generator)
    times = torch.randint(100, 1000, (4000,), generator=generator)
    noise = torch.randn(4000, 1, 4, 4, generator=generator)
    x0 = from_uint8(t.data)[rows]
    signal, sigma = (
        torch.from_numpy(a).float()[times].view(-1, 1, 1, 1) for a in (SCHEDULE.alpha_bar**0.5, SCHEDULE.sigma)
    )
    x = signal * x0 + sigma * noise
    with torch.no_grad():
        learned = (t.ema(x, times) - noise).square().mean()
        best = (FiniteSet(from_uint8(t.data), SCHEDULE)(x, times) - noise).square().mean()
    assert best < learned < best + 0.02
