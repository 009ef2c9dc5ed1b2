"""Sampling and training side by side with diffusers: the same network, one thread or one GPU, one run.

    python benchmarks/diffusion.py [--device cuda] [--case unet-bfloat16 ...] [--images 64] [--steps 50]

Sampling is timed against ``DDPMPipeline`` on the same weights and noise; the images must agree in float32. A training
step, of the U-Net and of the default MLP, is timed against a plain loop of the same network, ``DDPMScheduler``, Adam
and ``EMAModel``, and against the rate of matrix products. On a GPU the U-Net is that of the paper's CIFAR-10, in each
precision. The plain loop and the pipeline then use channels_last and a fused Adam, and amdiff is also timed without
graphs and compilation, with its kernels launched one by one. Each case runs in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from diffusers import DDPMPipeline, DDPMScheduler
from diffusers.training_utils import EMAModel
from torch.utils.flop_counter import FlopCounterMode

from amdiff.config import DiffusionSpec, MlpDenoiser, SamplingSpec, TrainingSpec, UnetDenoiser
from amdiff.diffusion.denoisers import build_network
from amdiff.diffusion.fast import fast
from amdiff.diffusion.graphs import WARM_UPS, Work
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import SampleNoise
from amdiff.diffusion.samplers import Step, sampler_steps
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
    found = Unet(spec, shape, 1000, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for parameter in found.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed + 1))
    return found.to(DEVICE).eval().requires_grad_(False)


def sampling(spec: UnetDenoiser, shape: tuple[int, int, int], images: int, steps: int, precision: str) -> None:
    choose_device(DEVICE.type, precision)
    schedule, unet = Schedule.linear(DiffusionSpec()), network(spec, shape, 0)
    plan = sampler_steps(schedule, SamplingSpec(steps=steps))

    def ours(count: int, **how: Any) -> Callable[[], torch.Tensor]:
        denoiser = fast(network(spec, shape, 0), DEVICE, precision=precision, **how)

        def drawn(plan: Sequence[Step] = plan) -> torch.Tensor:
            return draw(denoiser, plan, SampleNoise(0, range(images)), shape, device=DEVICE)

        timed(lambda: drawn(plan[-count:]))
        return drawn

    scheduler = DDPMScheduler(beta_start=1e-4, beta_end=0.02, clip_sample=True, timestep_spacing="linspace")
    if DEVICE.type == "cuda":
        unet.net.to(memory_format=torch.channels_last)
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
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=precision == "bfloat16"):
            found = pipeline(batch_size=images, num_inference_steps=steps, output_type="np").images
        return found.transpose(0, 3, 1, 2)

    quick, plain = ours(WARM_UPS + 2), ours(2, compile=False, graphs=False)
    piped(2)
    one, drawn = timed(quick)
    by_one, _ = timed(plain)
    theirs, found = timed(partial(piped, steps))
    if precision == "float32":
        assert np.abs(found * 2 - 1 - drawn.clip(-1, 1).cpu().numpy()).max() < 1e-3
    print(f"sampling, {images} images of {shape} in {steps} steps, {precision}: amdiff {one:.2f} s "
          f"({images / one:,.1f} images a second), diffusers' DDPMPipeline {theirs:.2f} s: ratio {theirs / one:.2f}" + (
          f"; kernels launched one by one {by_one:.2f} s" if DEVICE.type == "cuda" else ""))  # fmt: skip


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
    spec: MlpDenoiser | UnetDenoiser, shape: tuple[int, int, int], steps: int, batch: int, precision: Any = "float32"
) -> None:
    choose_device(DEVICE.type, precision, training=True)
    data = torch.randint(256, (256, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    schedule = Schedule.linear(DiffusionSpec())
    settings = TrainingSpec(batch_size=batch, ema_decay=0.999, clip_norm=1.0, precision=precision)

    def built() -> torch.nn.Module:
        return build_network(spec, shape, 1000, torch.Generator().manual_seed(0)).to(DEVICE)

    def trainer(**how: Any) -> Trainer:
        return Trainer(built(), data, settings, schedule, iterations=10**6, log_every=10**6, **how)

    quick, by_one = trainer(), trainer(compile=False, work=Work(DEVICE, graphs=False))
    model = built().train()
    gpu = DEVICE.type == "cuda"
    layout = torch.channels_last if gpu and isinstance(model, Unet) else torch.contiguous_format
    model.to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4, fused=gpu)
    average = EMAModel(model.parameters(), decay=0.999)
    scheduler = DDPMScheduler(beta_start=1e-4, beta_end=0.02)
    images = (data.float() / 127.5 - 1).to(memory_format=layout)

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
    loops = {"amdiff": quick.run, "one by one": by_one.run, "plain": plain}
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    rate = []
    for count in (WARM_UPS + 2, *[steps] * 5):  # in turns, so that other work on the machine meets all
        for name, loop in loops.items():
            if name == "plain":  # whose kernels may sum in any order
                torch.use_deterministic_algorithms(mode=False)
                torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = False, True
            seconds[name].append(timed(partial(loop, count))[0] / count)
            torch.backends.cudnn.benchmark = False
            choose_device(DEVICE.type, precision, training=True)
        rate.append(matrix_rate(precision))
    one, launched, other = (np.median(seconds[name][1:]) for name in loops)  # the first round warms up
    print(f"training {spec.kind}, {shape} images, batches of {batch}, "
          f"{sum(p.numel() for p in model.parameters()):,} parameters, {precision}: "
          f"amdiff {1e3 * one:.2f} ms a step, a plain diffusers loop {1e3 * other:.2f} ms: ratio {other / one:.2f}; "
          f"{flops / one / 1e9:,.1f} of {np.median(rate) / 1e9:,.1f} GFLOP/s" + (
          f"; kernels launched one by one {1e3 * launched:.2f} ms" if gpu else ""))  # fmt: skip


COLOUR = (3, 32, 32)
CASES: dict[str, dict[str, Callable[[], None]]] = {
    "cpu": {
        "mlp": lambda: training(MLP, (1, 8, 8), 400, 128),
        "sampling": lambda: sampling(SPEC, SHAPE, args.images, args.steps, "float32"),
        "unet": lambda: training(SPEC, SHAPE, 20, 32),
    },
    "cuda": {
        "mlp": lambda: training(MLP, (1, 8, 8), 500, 128),
        **{
            f"unet-{kind}": partial(training, PAPER, COLOUR, 10, 128, kind)
            for kind in ("bfloat16", "tfloat32", "float32")
        },
        **{
            f"sampling-{kind}": lambda kind=kind: sampling(PAPER, COLOUR, args.images, args.steps, kind)
            for kind in ("bfloat16", "tfloat32", "float32")
        },
    },
}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--images", type=int, default=64)
parser.add_argument("--steps", type=int, default=50)
parser.add_argument("--device", choices=sorted(CASES), default="cpu")
parser.add_argument("--case", nargs="+", choices=sorted({name for cases in CASES.values() for name in cases}))
args = parser.parse_args()
chosen = args.case or list(CASES[args.device])
if len(chosen) == 1:
    DEVICE = choose_device(args.device)
    torch.set_num_threads(1)
    CASES[args.device][chosen[0]]()
else:
    for case in chosen:
        command = [sys.executable, __file__, "--device", args.device, "--case", case]
        subprocess.run([*command, "--images", str(args.images), "--steps", str(args.steps)], check=False)
