"""How far images move when only the batch size changes: the noise is the same, float rounding is not.

    python benchmarks/batch_rounding.py [--configfile config.yaml] [--experiment digits]

Draws the first samples of each model of an experiment twice, together and
one by one, and compares the images. Needs the models: run snakemake first.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from amdiff.artifacts import Artifact
from amdiff.config import SamplingSpec
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import SampleNoise
from amdiff.diffusion.samplers import sampler_steps
from amdiff.diffusion.sampling import draw, to_uint8
from amdiff.project import open_plan
from amdiff.stages.context import Context
from amdiff.stages.loading import load_denoiser
from amdiff.stages.stored_images import dataset_images
from amdiff.store import Store


def images(context: Context, artifact: Artifact, count: int, batch: int) -> torch.Tensor:
    """The first ``count`` images of a sample artifact, drawn ``batch`` at a time."""
    spec = SamplingSpec.model_validate(artifact.params["sampling"])
    (source,) = [a for a in artifact.ancestors() if a.stage == "dataset"]
    shape = dataset_images(context.store, source).shape[1:]
    denoiser = load_denoiser(context, artifact, shape, torch.device("cpu"))
    steps = sampler_steps(Schedule.linear(context.config.experiments[args.experiment].diffusion), spec)
    parts = [
        draw(denoiser, steps, SampleNoise(spec.seed, range(a, min(a + batch, count))), shape, clip=spec.clip)
        for a in range(0, count, batch)
    ]
    return torch.cat(parts)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--configfile", type=Path, default=Path("config.yaml"))
parser.add_argument("--experiment", default="digits")
parser.add_argument("--count", type=int, default=128)
args = parser.parse_args()
torch.set_num_threads(1)
plan = open_plan(args.configfile)
context = Context(Store(), plan)
print(f"{'K':>6} {'largest difference in [-1, 1]':>30} {'uint8 pixels that differ':>25} {'by at most':>11} levels")
for model in plan.experiment(args.experiment).models:
    a, b = (images(context, model.shards[0], args.count, batch) for batch in (512, 1))
    levels = (to_uint8(a).int() - to_uint8(b).int()).abs()
    print(f"{model.size:>6} {(a - b).abs().max():>30.1e} {(levels > 0).float().mean():>25.1e} {levels.max():>11}")
