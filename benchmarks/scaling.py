"""How time grows with the training set (K), the dimension (d) and the synthetic set (|S'|), on one thread.

    python benchmarks/scaling.py

Each curve doubles one size and leaves the others. Its exponent is the slope of log time over the upper half: 1 is
linear. Images are smooth random ones; the network is an MLP as wide as an image has dimensions, untrained, since time
does not depend on its weights but for basins, where no target stops.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import faiss
import numpy as np
import torch

from amdiff.config import DiffusionSpec, MlpDenoiser, SamplingSpec, TrainingSpec
from amdiff.diffusion.denoisers import build_network
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import SampleNoise
from amdiff.diffusion.samplers import sampler_steps
from amdiff.diffusion.sampling import draw
from amdiff.diffusion.training import Trainer
from amdiff.landscape import find_basins, relative_energy, score_spectra
from amdiff.neighbors import embed, nearest_neighbors
from amdiff.phases.sorting import sort_at

SCHEDULE = Schedule.linear(DiffusionSpec())


def images(count: int, side: int, seed: int) -> np.ndarray:
    """Images with structure, uint8 (count, 1, side, side)."""
    coarse = torch.randn(count, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    return ((0.4 * fine + 0.5).clip(0, 1) * 255).round().to(torch.uint8).numpy()


def network(side: int) -> torch.nn.Module:
    """An MLP that is as wide as an image has dimensions."""
    spec = MlpDenoiser(kind="mlp", width=side * side, blocks=2, time_features=64)
    return build_network(spec, (1, side, side), 1000, torch.Generator().manual_seed(0)).eval().requires_grad_(False)


def floats(count: int, side: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(images(count, side, seed)).float() / 127.5 - 1


def neighbors(samples: int, train: int, side: int) -> Callable[[], object]:
    queries, database = embed(images(samples, side, 0)), embed(images(train, side, 1))
    return lambda: nearest_neighbors(queries, database, 5)


def sorting(samples: int) -> Callable[[], object]:
    """Among the samples themselves, classes and attractors."""
    vectors, train = embed(images(samples, 14, 0)), embed(images(1000, 14, 1))
    to_train = nearest_neighbors(vectors, train, 5)

    def sort() -> object:
        within = nearest_neighbors(vectors, vectors, 5)
        return sort_at(vectors, to_train, within, 0.5, float(np.quantile(within.nearest, 0.1)))

    return sort


def sampling(count: int, side: int) -> Callable[[], object]:
    net, steps = network(side), sampler_steps(SCHEDULE, SamplingSpec(steps=20))
    return lambda: draw(net, steps, SampleNoise(0, range(count)), (1, side, side), clip=True)


def training(size: int, side: int, steps: int = 60) -> Callable[[], object]:
    net = network(side).requires_grad_(True)
    data = torch.from_numpy(images(size, side, 0))
    process = SCHEDULE
    trainer = Trainer(net, data, TrainingSpec(batch_size=128), process, iterations=10**6, log_every=10**6)
    return lambda: trainer.run(steps)


def spectra(side: int) -> Callable[[], object]:
    net, at = network(side), floats(2, side)
    return lambda: score_spectra(net, at, 2, SCHEDULE)


def basins(count: int, side: int) -> Callable[[], object]:
    net, at = network(side), floats(count, side)
    return lambda: find_basins(net, at, SCHEDULE, delta=1e9, stride=100)


def energy(count: int, side: int) -> Callable[[], object]:
    net, at, references = network(side), floats(count, side), floats(5, side, 1)
    return lambda: relative_energy(net, at, references, SCHEDULE)


SETS, SIDES = (1000, 2000, 4000, 8000, 16000), (8, 11, 16, 23, 32)
"""Sides whose squares about double."""

CURVES: Sequence[tuple[str, Sequence[int], Callable[[int], Callable[[], object]]]] = (
    ("neighbours in K (4,000 samples, 14x14)", SETS, lambda k: neighbors(4000, k, 14)),
    ("neighbours in samples (K = 4,000, 14x14)", SETS, lambda n: neighbors(n, 4000, 14)),
    ("neighbours in d (4,000 x 4,000)", SIDES, lambda side: neighbors(4000, 4000, side)),
    ("within S', classes and attractors in samples (14x14)", SETS, sorting),
    ("sampling in samples (20 steps, 8x8)", SETS, lambda n: sampling(n, 8)),
    ("60 training steps in K (8x8)", SETS, lambda k: training(k, 8)),
    ("10 training steps in d (K = 1,000)", SIDES, lambda side: training(1000, side, 10)),
    ("spectra in d (2 images)", SIDES, spectra),
    ("basins in targets (8x8)", (16, 32, 64, 128, 256), lambda n: basins(n, 8)),
    ("basins in d (16 targets)", SIDES, lambda side: basins(16, side)),
    ("energy in targets (8x8)", (64, 128, 256, 512, 1024), lambda n: energy(n, 8)),
)


def seconds(work: Callable[[], object]) -> float:
    """Median of three."""
    work()
    found = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    print("| curve | sizes | seconds | exponent |\n|---|---|---|---|")
    for name, sizes, work in CURVES:
        times = [seconds(work(size)) for size in sizes]
        shown = [size * size for size in sizes] if sizes is SIDES else list(sizes)
        upper = slice(len(sizes) // 2, None)
        exponent = np.polyfit(np.log(shown[upper]), np.log(times[upper]), 1)[0]
        both = (", ".join(f"{s:,}" for s in shown), ", ".join(f"{t:.2g}" for t in times))
        print(f"| {name} | {both[0]} | {both[1]} | {exponent:.1f} |")


if __name__ == "__main__":
    main()
