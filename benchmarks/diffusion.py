"""Sampling and training side by side with diffusers: the same network, one thread, one run.

    python benchmarks/diffusion.py [--images 64] [--steps 50]

Sampling against ``DDPMPipeline`` on the same weights and noise, whose images must agree; a training step, of the U-Net
and of the default MLP, against a plain loop of the same network, ``DDPMScheduler``, Adam and ``EMAModel``, and against
the rate of this thread's matrix products.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import DDPMPipeline, DDPMScheduler
from diffusers.training_utils import EMAModel
from torch.utils.flop_counter import FlopCounterMode

from amdiff.config import DiffusionSpec, MlpDenoiser, SamplingSpec, TrainingSpec, UnetDenoiser
from amdiff.diffusion.corruption import corruption
from amdiff.diffusion.denoisers import build_network
from amdiff.diffusion.randomness import SampleNoise
from amdiff.diffusion.sampling import draw, sampler_steps
from amdiff.diffusion.schedules import Schedule
from amdiff.diffusion.training import Trainer
from amdiff.diffusion.unet import Unet

SPEC = UnetDenoiser(kind="unet", width=32, multipliers=(1, 2), blocks=1, attention_at=(), norm_groups=8, dropout=0.0)
SHAPE = (1, 14, 14)


def timed(compute: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = compute()
    return time.perf_counter() - start, result


def network(seed: int) -> Unet:
    """A network whose output is not zero."""
    found = Unet(SPEC, SHAPE, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for parameter in found.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed + 1))
    return found.eval().requires_grad_(False)


def sampling(images: int, steps: int) -> None:
    schedule, unet = Schedule.linear(DiffusionSpec()), network(0)
    noise = SampleNoise(0, range(images))
    ours, drawn = timed(lambda: draw(unet, sampler_steps(schedule, SamplingSpec(steps=steps)), noise, SHAPE, clip=True))
    scheduler = DDPMScheduler(beta_start=1e-4, beta_end=0.02, clip_sample=True, timestep_spacing="linspace")
    pipeline: Any = DDPMPipeline(unet=unet.net, scheduler=scheduler)
    pipeline.set_progress_bar_config(disable=True)
    again = SampleNoise(0, range(images))

    def same_noise(shape: Any, **_: Any) -> torch.Tensor:
        return torch.from_numpy(again(tuple(shape[1:])))

    import diffusers.pipelines.ddpm.pipeline_ddpm as first
    import diffusers.schedulers.scheduling_ddpm as second

    first.randn_tensor = second.randn_tensor = same_noise  # type: ignore[attr-defined]
    theirs, found = timed(
        lambda: pipeline(batch_size=images, num_inference_steps=steps, output_type="np").images.transpose(0, 3, 1, 2)
    )
    assert np.abs(found * 2 - 1 - drawn.clip(-1, 1).numpy()).max() < 1e-3
    print(f"sampling, {images} images of {SHAPE} in {steps} steps")
    print(f"  amdiff {ours:6.2f} s, diffusers' DDPMPipeline {theirs:6.2f} s: ratio {theirs / ours:.2f}")


MLP = MlpDenoiser(kind="mlp", width=96, blocks=2, time_features=128)


def matrix_rate(side: int = 768) -> float:
    """Floating-point operations a second of a float32 matrix product on this thread."""
    a, b = torch.randn(side, side), torch.randn(side, side)
    a @ b
    return 2 * side**3 / min(timed(lambda: a @ b)[0] for _ in range(10))


def step_flops(network: torch.nn.Module, x: torch.Tensor, t: torch.Tensor) -> int:
    """Floating-point operations of the matrix products and convolutions of a training step, forth and back."""
    with FlopCounterMode(display=False) as counter:
        network(x, t).square().mean().backward()
    network.zero_grad(set_to_none=True)
    return counter.get_total_flops()


def training(spec: MlpDenoiser | UnetDenoiser, shape: tuple[int, int, int], steps: int, batch: int) -> None:
    data = torch.randint(256, (256, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    schedule = Schedule.linear(DiffusionSpec())
    ours_network, model = (build_network(spec, shape, 1000, torch.Generator().manual_seed(0)) for _ in range(2))
    trainer = Trainer(
        ours_network, data, TrainingSpec(batch_size=batch, ema_decay=0.999, clip_norm=1.0),
        corruption(schedule, torch.device("cpu"), 0.0), iterations=10**6, log_every=10**6,
    )  # fmt: skip
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)
    average = EMAModel(model.parameters(), decay=0.999)
    scheduler = DDPMScheduler(beta_start=1e-4, beta_end=0.02)
    images = data.float() / 127.5 - 1

    def plain(count: int) -> None:
        for _ in range(count):
            x = images[torch.randint(len(images), (batch,))]
            noise, t = torch.randn_like(x), torch.randint(1000, (batch,))
            loss = torch.nn.functional.mse_loss(model(scheduler.add_noise(x, noise, t), t), noise)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            average.step(model.parameters())

    flops = step_flops(model, images[:batch], torch.zeros(batch, dtype=torch.long))
    trainer.run(3)
    plain(3)
    ours, theirs, rate = [], [], []
    for _ in range(5):  # in turns, so that other work on the machine meets all
        ours.append(timed(lambda: trainer.run(steps))[0] / steps)
        theirs.append(timed(lambda: plain(steps))[0] / steps)
        rate.append(matrix_rate())
    one, other, top = np.median(ours), np.median(theirs), np.median(rate)
    print(f"training {spec.kind}, {shape} images, batches of {batch}, {sum(p.numel() for p in model.parameters()):,} "
          f"parameters: amdiff {1e3 * one:.2f} ms a step, a plain diffusers loop {1e3 * other:.2f} ms: ratio "
          f"{other / one:.2f}; {flops / one / 1e9:.1f} of {top / 1e9:.1f} GFLOP/s")  # fmt: skip


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--images", type=int, default=64)
parser.add_argument("--steps", type=int, default=50)
args = parser.parse_args()
torch.set_num_threads(1)
sampling(args.images, args.steps)
training(MLP, (1, 8, 8), 400, 128)
training(SPEC, SHAPE, 20, 32)
