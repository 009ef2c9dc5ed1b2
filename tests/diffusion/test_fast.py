"""Fast networks: what is recorded and replayed gives what plain calls give, and what fails is told and left out.

No graph can be recorded on a CPU. So a stand-in for the recorder calls the computation at each replay. It shows that
inputs and results keep their places, and the ``meta`` device shows that a step never waits for a number.
"""

from __future__ import annotations

import io
import shutil
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from amdiff.config import DiffusionSpec, MlpDenoiser, TrainingSpec, UnetDenoiser
from amdiff.diffusion import training
from amdiff.diffusion.denoisers import build_network
from amdiff.diffusion.exact import FiniteSet
from amdiff.diffusion.fast import LARGEST, FastDenoiser, fast, in_double
from amdiff.diffusion.graphs import WARM_UPS, Compute, Replayed, Work
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.training import Trainer
from tests.networks import perturbed

SCHEDULE = Schedule.linear(DiffusionSpec())
MLP = MlpDenoiser(kind="mlp", width=32, blocks=1, time_features=16, dropout=0.2)
UNET = UnetDenoiser(kind="unet", width=8, multipliers=(1, 1), attention_at=(), norm_groups=4, dropout=0.3)
NETWORKS = {"mlp": MLP, "unet": UNET}
CPU = torch.device("cpu")


def recording(recorder: Any = lambda compute: compute) -> Work:
    """Work of a CPU that records by ``recorder``."""
    work = Work(CPU)
    work.recorder = recorder
    return work


def trainer(name: str = "mlp", work: Work | None = None, told: list[str] | None = None, **options: Any) -> Trainer:
    spec = TrainingSpec(**{"learning_rate": 1e-2, "warmup": 5, "schedule": "cosine", "ema_decay": 0.9, **options})
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 1, 4, 4), dtype=np.uint8))
    built = build_network(NETWORKS[name], (1, 4, 4), 1000, torch.Generator().manual_seed(0))
    tell = [].append if told is None else told.append
    return Trainer(built, images, spec, SCHEDULE, iterations=30, log_every=10, work=work, tell=tell)


def weights(t: Trainer) -> list[torch.Tensor]:
    return list(t.ema.state_dict().values())


def network(name: str = "unet") -> Any:
    return perturbed(build_network(NETWORKS[name], (1, 4, 4), 1000, torch.Generator().manual_seed(0)), 0.05)


def batch(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    return torch.randn(n, 1, 4, 4, generator=generator), torch.randint(1000, (n,), generator=generator)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_recorded_steps_train_as_plain_ones(name: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorded step has its learning rate in float32. With such rates, the plain one takes the same steps."""
    exact = training.learning_rate
    monkeypatch.setattr(training, "learning_rate", lambda *args: float(np.float32(exact(*args))))
    plain, recorded = trainer(name, precision=precision), trainer(name, recording(), precision=precision)
    plain.run(20)
    recorded.run(20)
    assert recorded._update.recorded
    assert recorded.log == plain.log
    for a, b in zip(plain.network.parameters(), recorded.network.parameters(), strict=True):
        assert torch.equal(a, b)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(weights(plain), weights(recorded), strict=True))


@pytest.mark.parametrize("stop", [1, WARM_UPS, 13])
def test_a_resumed_recorded_run_gives_the_same_bits(stop: int) -> None:
    whole, first, second = (trainer("unet", recording()) for _ in range(3))
    whole.run(30)
    first.run(stop)
    file = io.BytesIO()
    torch.save(first.state(), file)
    second.restore(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    second.run(30)
    assert second.log == whole.log
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(second), strict=True))


def test_a_trainer_that_has_recorded_can_be_set_back() -> None:
    """A recorded step writes where it has always written, so a state must be copied to there."""
    whole, again = trainer("mlp", recording()), trainer("mlp", recording())
    whole.run(20)
    again.run(10)
    state = io.BytesIO()
    torch.save(again.state(), state)
    again.run(7)
    places = {name: again._inputs[name].data_ptr() for name in ("rows", "t", "noise", "rate", "new")}
    held = [again._loss_sum, again._norm, *again.network.parameters(), *again.optimizer._means]
    again.restore(torch.load(io.BytesIO(state.getvalue()), weights_only=True))
    again.run(10)
    assert {name: again._inputs[name].data_ptr() for name in places} == places
    after = [again._loss_sum, again._norm, *again.network.parameters(), *again.optimizer._means]
    assert all(a is b for a, b in zip(held, after, strict=True))
    assert again.log == whole.log


def test_the_first_calls_run_as_they_are_and_one_is_recorded() -> None:
    calls: list[str] = []

    def recorder(compute: Compute) -> Compute:
        calls.append("recorded")
        return lambda: calls.append("replayed")

    run = Replayed(lambda: calls.append("plain"), recording(recorder))
    for _ in range(WARM_UPS + 2):
        run()
    assert calls == ["plain"] * WARM_UPS + ["recorded", "replayed", "replayed"]


def test_a_step_that_cannot_be_recorded_is_told_once_and_taken_as_it_is() -> None:
    def refuses(compute: Compute) -> Compute:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    told: list[str] = []
    refused, recorded = trainer("unet", recording(refuses), told), trainer("unet", recording())
    refused.run(30)
    recorded.run(30)
    (sentence,) = told
    assert "operation not permitted when stream is capturing); the kernels are launched one by one" in sentence
    assert not refused._update.recorded
    assert all(torch.equal(a, b) for a, b in zip(weights(refused), weights(recorded), strict=True))


def test_memory_that_runs_out_is_no_reason_to_go_on() -> None:
    def full(compute: Compute) -> Compute:
        raise torch.OutOfMemoryError("CUDA out of memory")

    t = trainer("mlp", recording(full))
    with pytest.raises(torch.OutOfMemoryError):
        t.run(10)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("n", [1, 7, 33, LARGEST, LARGEST + 5])
def test_replayed_evaluations_are_those_of_the_network(name: str, n: int) -> None:
    plain = network(name)
    quick = FastDenoiser(plain, recording(), CPU, precision="float32", compile=False, tell=[].append)
    for _ in range(WARM_UPS + 1):
        x, t = batch(n)
        with torch.inference_mode():
            found = quick(x, t)
        assert found.shape == x.shape
        assert torch.allclose(found, plain(x, t), atol=1e-5)
    kept = found.clone()
    with torch.no_grad():
        quick(*batch(n + 1))
    assert torch.equal(found, kept)  # results are the caller's own


def test_no_images_give_no_noise() -> None:
    quick = FastDenoiser(network(), recording(), CPU, precision="float32", compile=False, tell=[].append)
    x, t = batch(0)
    assert quick(x, t).shape == (0, 1, 4, 4)


def test_bfloat16_rounds_and_returns_float32() -> None:
    plain = network("mlp")
    quick = fast(plain, CPU, precision="bfloat16")
    x, t = batch(50)
    with torch.no_grad():
        exact, rounded = plain(x, t), quick(x, t)
    assert rounded.dtype == torch.float32
    error = (rounded - exact).norm() / exact.norm()
    assert 1e-4 < error < 0.05


def test_what_needs_the_plain_network_gets_it() -> None:
    plain = network("mlp")
    quick = fast(plain, CPU, precision="bfloat16")
    x, t = batch(3)
    x.requires_grad_()
    quick(x, t).sum().backward()
    slope = x.grad
    assert slope is not None
    x.grad = None
    plain(x, t).sum().backward()
    assert x.grad is not None
    assert torch.equal(slope, x.grad)
    double = in_double(quick)
    wide = torch.randn(3, 1, 4, 4, dtype=torch.float64)
    assert torch.equal(double(wide, t), in_double(plain)(wide, t))
    assert next(plain.parameters()).dtype == torch.float32


def test_on_a_cpu_a_float32_network_and_a_closed_form_stay_as_they_are() -> None:
    plain, closed = network(), FiniteSet(torch.zeros(1, 1, 4, 4), SCHEDULE)
    assert fast(plain, CPU) is plain
    assert fast(closed, CPU, precision="bfloat16") is closed
    assert in_double(closed) is closed


def test_a_network_that_cannot_be_compiled_is_told_and_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any, **__: Any) -> Any:
        raise RuntimeError("\n  Failed to find C compiler. Please specify via CC environment variable\n")

    monkeypatch.setattr(torch, "compile", refuses)
    plain, told = network(), []
    x, t = batch(5)
    with torch.no_grad():
        assert torch.equal(fast(plain, CPU, compile=True, tell=told.append)(x, t), plain(x, t))
    assert told == [
        "the network could not be compiled (Failed to find C compiler. Please specify via CC environment variable); "
        "it computes without"
    ]


class Small(nn.Module):
    """A network with the layers that compilation joins, small enough to be compiled in a test."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.norm, self.leave = nn.Conv2d(1, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.Conv2d(8, 1, 1)

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return self.leave(nn.functional.silu(self.norm(self.enter(x)))) * (t.view(-1, 1, 1, 1) / 1000).cos()


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_a_compiled_network_gives_the_same_noise_and_trains() -> None:
    told: list[str] = []
    images = torch.zeros(5, 1, 4, 4, dtype=torch.uint8)
    logs, noises = [], []
    for compile in (False, True):
        torch.manual_seed(0)
        built = Small()
        spec = TrainingSpec(batch_size=5, ema_decay=0.9)
        t5 = Trainer(built, images, spec, SCHEDULE, iterations=5, log_every=5, compile=compile, tell=told.append)
        t5.run(5)
        logs.append(t5.log[0]["loss"])
        with torch.no_grad():
            noises.append(fast(t5.ema, CPU, compile=compile, tell=told.append)(*batch(5)))
    assert told == []
    assert built.enter.weight.is_contiguous(memory_format=torch.channels_last)
    assert logs[0] == pytest.approx(logs[1], rel=1e-5)
    assert torch.allclose(*noises, atol=1e-5)
