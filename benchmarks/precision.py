"""Does a precision change the dimension that a score's Jacobian tells? One network, its 64 training digits, one run.

    python benchmarks/precision.py [--device cuda] [--steps 20000]

The network is the default one, trained on 64 digits. Spectra are central differences of the score, as the stage
``curvature`` takes them. The table has the mean number of directions without contraction at each noise level, with the
network in float32, in bfloat16 and, on a GPU, in tfloat32. Where differences of scores are smaller than the rounding of
a precision, its column is wrong. That is why this analysis has no other precision than float32.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits

from amdiff.config import DiffusionSpec, MlpDenoiser, TrainingSpec
from amdiff.diffusion.denoisers import build_network
from amdiff.diffusion.fast import fast
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.sampling import from_uint8
from amdiff.diffusion.training import Trainer
from amdiff.landscape.curvature import score_spectra
from amdiff.landscape.spectra import dimension_by_threshold, normalisation
from amdiff.stages.loading import choose_device

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
parser.add_argument("--steps", type=int, default=20_000)
args = parser.parse_args()

SCHEDULE, SHAPE, TIMES = Schedule.linear(DiffusionSpec()), (1, 8, 8), (2, 15, 50)
device = choose_device(args.device, training=True)
pixels = np.random.default_rng(0).permutation(load_digits().images)[:64] / 16 * 255
images = torch.from_numpy(pixels.round().astype(np.uint8))[:, None].to(device)
spec = MlpDenoiser(kind="mlp", width=96, blocks=2, time_features=64)
network = build_network(spec, SHAPE, 1000, torch.Generator().manual_seed(0)).to(device)
training = TrainingSpec(learning_rate=3e-3, warmup=500, schedule="cosine", ema_decay=0.999, cap_batch=False)
trainer = Trainer(network, images, training, SCHEDULE, iterations=args.steps)
trainer.run(args.steps)

print(f"dimension by threshold, mean over {len(images)} training images of 64 values, after {args.steps:,} steps")
for precision in ("float32", "bfloat16", *(("tfloat32",) if args.device == "cuda" else ())):
    denoiser = fast(trainer.ema, choose_device(args.device, precision), precision=precision)
    told = []
    for time in TIMES:
        sigma = float(SCHEDULE.sigma[time])
        raw = score_spectra(denoiser, from_uint8(images), time, SCHEDULE).cpu().numpy()
        told.append(dimension_by_threshold(raw / normalisation(sigma, 64, 1 / 64), sigma, 0.5).mean())
    print(f"{precision:>9}: " + ", ".join(f"{d:.2f} at t = {t}" for t, d in zip(TIMES, told, strict=True)))
