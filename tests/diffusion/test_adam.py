"""Adam: the steps of torch's class, bit by bit, without what that class imports."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from amdiff.diffusion.adam import Adam

SHAPES = ((3, 4), (5,), (2, 2, 2), ())
UNUSED = 1
"""Place of a parameter that most steps do not use."""


def parameters() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in SHAPES]


def gradients(step: int) -> list[torch.Tensor | None]:
    generator = torch.Generator().manual_seed(step + 1)
    drawn = [torch.randn(shape, generator=generator) for shape in SHAPES]
    return [None if i == UNUSED and step % 3 else g for i, g in enumerate(drawn)]


def take(optimizer: Adam | torch.optim.Adam, own: list[torch.Tensor], steps: range) -> None:
    for step in steps:
        optimizer.zero_grad()
        for parameter, gradient in zip(own, gradients(step), strict=True):
            parameter.grad = gradient
        rate = 0.1 / (1 + step)
        if isinstance(optimizer, Adam):
            optimizer.step(rate)
        else:
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_steps_and_states_are_those_of_the_class(fused: bool) -> None:
    ours, theirs, resumed = parameters(), parameters(), parameters()
    optimizer, torchs = Adam(ours, fused=fused), torch.optim.Adam(theirs, fused=fused)
    take(optimizer, ours, range(10))
    take(torchs, theirs, range(10))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert not torch.equal(ours[UNUSED], parameters()[UNUSED])
    found, expected = optimizer.state_dict()["state"], torchs.state_dict()["state"]
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[i][name], value) for i in expected for name, value in expected[i].items())

    for kept, value in zip(resumed, theirs, strict=True):
        kept.data.copy_(value)
    later = Adam(resumed, fused=fused)
    later.load_state_dict(torchs.state_dict())  # what training was stopped with before this class
    take(optimizer, ours, range(10, 15))
    take(later, resumed, range(10, 15))
    assert all(torch.equal(a, b) for a, b in zip(ours, resumed, strict=True))


def test_training_does_not_import_torchs_compiler() -> None:
    program = """
import sys, torch
from amdiff.config import DiffusionSpec, TrainingSpec
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.training import Trainer

class Network(torch.nn.Linear):
    def forward(self, x, t):
        return super().forward(x)

process = Schedule.linear(DiffusionSpec())
trainer = Trainer(Network(2, 2), torch.zeros(4, 2), TrainingSpec(), process, iterations=3, log_every=1)
trainer.run(2)
trainer.restore(trainer.state())
trainer.run(1)
assert trainer.finished
sys.exit("torch._dynamo" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
