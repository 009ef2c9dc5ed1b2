"""Sampling and training side by side with diffusers: the same network, one thread or one GPU, one run.

    python benchmarks/diffusion.py [--images 64] [--steps 50] [--device cuda]

Sampling against ``DDPMPipeline`` on the same weights and noise, whose images must agree; a training step, of the U-Net
and of the default MLP, against a plain loop of the same network, ``DDPMScheduler``, Adam and ``EMAModel``, and against
the rate of matrix products. On a GPU the U-Net is that of the paper's CIFAR-10, in each precision; amdiff computes the
same bits on every run there, the plain loop does not, and what that costs is timed too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from diffusers import DDPMPipeline, DDPMScheduler
from diffusers.training_utils import EMAModel
from torch.utils.flop_counter import FlopCounterMode

from amdiff.config import DiffusionSpec, MlpDenoiser, SamplingSpec, TrainingSpec, UnetDenoiser
from amdiff.diffusion.denoisers import build_network
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import SampleNoise
from amdiff.diffusion.samplers import sampler_steps
from amdiff.diffusion.sampling import draw
from amdiff.diffusion.training import Trainer
from amdiff.diffusion.unet import Unet
from amdiff.stages.loading import choose_device

PAPER = UnetDenoiser(kind="unet", width=128, multipliers=(1, 2, 2, 2), dropout=0.1)
SPEC = UnetDenoiser(kind="unet", width=32, multipliers=(1, 2), blocks=1, attention_at=(), norm_groups=8, dropout=0.0)
SHAPE = (1, 14, 14)


def timed(compute: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = compute()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def network(spec: UnetDenoiser, shape: tuple[int, int, int], seed: int) -> Unet:
    """A network whose output is not zero."""
    found = Unet(spec, shape, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for parameter in found.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed + 1))
    return found.to(DEVICE).eval().requires_grad_(False)


def sampling(spec: UnetDenoiser, shape: tuple[int, int, int], images: int, steps: int) -> None:
    schedule, unet = Schedule.linear(DiffusionSpec()), network(spec, shape, 0)
    plan = sampler_steps(schedule, SamplingSpec(steps=steps))
    draw(unet, plan[-2:], SampleNoise(0, range(images)), shape, device=DEVICE)
    noise = SampleNoise(0, range(images))
    ours, drawn = timed(lambda: draw(unet, plan, noise, shape, clip=True, device=DEVICE))
    scheduler = DDPMScheduler(beta_start=1e-4, beta_end=0.02, clip_sample=True, timestep_spacing="linspace")
    pipeline: Any = DDPMPipeline(unet=unet.net, scheduler=scheduler)
    pipeline.set_progress_bar_config(disable=True)
    again: SampleNoise

    def same_noise(shape: Any, **_: Any) -> torch.Tensor:
        return torch.from_numpy(again(tuple(shape[1:]))).to(DEVICE)

    import diffusers.pipelines.ddpm.pipeline_ddpm as first
    import diffusers.schedulers.scheduling_ddpm as second

    first.randn_tensor = second.randn_tensor = same_noise  # type: ignore[attr-defined]

    def piped(steps: int) -> np.ndarray:
        nonlocal again
        again = SampleNoise(0, range(images))
        return pipeline(batch_size=images, num_inference_steps=steps, output_type="np").images.transpose(0, 3, 1, 2)

    piped(2)
    theirs, found = timed(partial(piped, steps))
    assert np.abs(found * 2 - 1 - drawn.clip(-1, 1).cpu().numpy()).max() < 1e-3
    print(f"sampling, {images} images of {shape} in {steps} steps")
    print(f"  amdiff {ours:6.2f} s, diffusers' DDPMPipeline {theirs:6.2f} s: ratio {theirs / ours:.2f}")


MLP = MlpDenoiser(kind="mlp", width=96, blocks=2, time_features=128)


def matrix_rate(precision: str) -> float:
    """Floating-point operations a second of a matrix product."""
    side = 768 if DEVICE.type == "cpu" else 8192
    kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.randn(side, side, dtype=kind, device=DEVICE) for _ in range(2))
    timed(lambda: a @ b)
    return 2 * side**3 / min(timed(lambda: a @ b)[0] for _ in range(10))


def step_flops(network: torch.nn.Module, x: torch.Tensor, t: torch.Tensor) -> int:
    """Floating-point operations of the matrix products and convolutions of a training step, forth and back."""
    with FlopCounterMode(display=False) as counter:
        network(x, t).square().mean().backward()
    network.zero_grad(set_to_none=True)
    return counter.get_total_flops()


def training(
    spec: MlpDenoiser | UnetDenoiser,
    shape: tuple[int, int, int],
    steps: int,
    batch: int,
    precision: Any = "float32",
) -> None:
    data = torch.randint(256, (256, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    schedule = Schedule.linear(DiffusionSpec())
    ours_network, model = (
        build_network(spec, shape, 1000, torch.Generator().manual_seed(0)).to(DEVICE) for _ in range(2)
    )
    trainer = Trainer(
        ours_network, data, TrainingSpec(batch_size=batch, ema_decay=0.999, clip_norm=1.0, precision=precision),
        schedule, iterations=10**6, log_every=10**6,
    )  # fmt: skip
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)
    average = EMAModel(model.parameters(), decay=0.999)
    scheduler = DDPMScheduler(beta_start=1e-4, beta_end=0.02)
    images = data.float() / 127.5 - 1

    def plain(count: int) -> None:
        for _ in range(count):
            x = images[torch.randint(len(images), (batch,), device=DEVICE)]
            noise, t = torch.randn_like(x), torch.randint(1000, (batch,), device=DEVICE)
            with torch.autocast(DEVICE.type, torch.bfloat16, enabled=precision == "bfloat16"):
                predicted = model(scheduler.add_noise(x, noise, t), t)
            torch.nn.functional.mse_loss(predicted.float(), noise).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            average.step(model.parameters())

    flops = step_flops(model, images[:batch], torch.zeros(batch, dtype=torch.long, device=DEVICE))
    ours, loose, theirs, rate = [], [], [], []
    for count in (3, *[steps] * 5):  # in turns, so that other work on the machine meets all; the first warms up
        choose_device(DEVICE.type, precision, training=True)
        ours.append(timed(partial(trainer.run, count))[0] / count)
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic = False
        loose.append(timed(partial(trainer.run, count))[0] / count)
        theirs.append(timed(partial(plain, count))[0] / count)
        rate.append(matrix_rate(precision))
    one, free, other, top = (np.median(found[1:]) for found in (ours, loose, theirs, rate))
    print(f"training {spec.kind}, {shape} images, batches of {batch}, "
          f"{sum(p.numel() for p in model.parameters()):,} parameters, {precision}: "
          f"amdiff {1e3 * one:.2f} ms a step, a plain diffusers loop {1e3 * other:.2f} ms: ratio {other / one:.2f}; "
          f"{flops / one / 1e9:,.1f} of {top / 1e9:,.1f} GFLOP/s" + (
          f"; in any order of sums {1e3 * free:.2f} ms" if DEVICE.type == "cuda" else ""))  # fmt: skip


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--images", type=int, default=64)
parser.add_argument("--steps", type=int, default=50)
parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
args = parser.parse_args()
DEVICE = choose_device(args.device)
torch.set_num_threads(1)
training(MLP, (1, 8, 8), 400 if DEVICE.type == "cpu" else 100, 128)
if DEVICE.type == "cpu":
    sampling(SPEC, SHAPE, args.images, args.steps)
    training(SPEC, SHAPE, 20, 32)
else:
    sampling(PAPER, (3, 32, 32), args.images, args.steps)
    for precision in ("float32", "tfloat32", "bfloat16"):
        training(PAPER, (3, 32, 32), 10, 128, precision)
