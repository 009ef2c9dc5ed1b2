"""Critical times and curvature spectra side by side with the published ways: the same network, one thread, one run.

    python benchmarks/landscape.py [--targets 64] [--side 28]

Critical times of a small network that has memorized 64 digits, at training images and at new ones: our scan, in which
a target that has stopped costs nothing, and our bisection, against the full table of all times and copies, and against
a scan of batches that goes on until a whole batch has stopped. Answers must be equal; bisection may differ at copies
that are not monotone in t, and says at how many.

Spectra at one small time: central differences along the d orthonormal directions and the eigenvalues of the Gram
matrix, against 4 d central differences along Gaussian directions and a float64 SVD. How far both are from the exact
Jacobian is printed beside.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

from amdiff.config import DiffusionSpec, MlpDenoiser, TrainingSpec
from amdiff.diffusion.denoisers import build_network
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import SampleNoise
from amdiff.diffusion.training import Trainer
from amdiff.landscape.basins import Search, bisect, scan
from amdiff.landscape.curvature import score_spectra
from amdiff.landscape.spectra import normalisation
from amdiff.landscape.times import search_times
from amdiff.landscape.volumes import critical_times

SCHEDULE = Schedule.linear(DiffusionSpec())
DELTA, SHARE = 0.5, 0.9


def timed(compute: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = compute()
    return time.perf_counter() - start, result


class Counted:
    """A denoiser that counts the images that pass it."""

    def __init__(self, network: Any) -> None:
        self.network, self.count = network, 0

    def __call__(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        self.count += len(x)
        return self.network(x, t)


def trained(images: torch.Tensor) -> Any:
    spec = MlpDenoiser(kind="mlp", width=128, blocks=2, time_features=64)
    network = build_network(spec, tuple(images.shape[1:]), 1000, torch.Generator().manual_seed(0))
    training = TrainingSpec(batch_size=128, cap_batch=False, learning_rate=3e-3, schedule="cosine", ema_decay=0.999)
    process = SCHEDULE
    trainer = Trainer(network, images, training, process, iterations=4000, log_every=4000)
    trainer.run(4000)
    return trainer.ema.eval().requires_grad_(False)


def full_table(search: Search, targets: torch.Tensor, noise: torch.Tensor) -> np.ndarray:
    """Every copy of every target at every time."""
    n, copies = noise.shape[:2]
    repeated, flat = targets.repeat_interleave(copies, dim=0), noise.flatten(0, 1)
    columns = [search.recovery(repeated, flat, t)[0].float().view(n, copies).numpy() for t in search.times.tolist()]
    return np.stack(columns, axis=1)


def whole_batches(search: Search, targets: torch.Tensor, noise: torch.Tensor, batch: int) -> np.ndarray:
    """Batches of targets, each until all of it have stopped."""
    n, copies = noise.shape[:2]
    table = np.full((n, len(search.times), copies), np.nan, np.float32)
    for start in range(0, n, batch):
        part = slice(start, start + batch)
        going = np.ones(len(targets[part]), bool)
        for j, t in enumerate(search.times.tolist()):
            repeated = targets[part].repeat_interleave(copies, dim=0)
            table[part, j] = search.recovery(repeated, noise[part].flatten(0, 1), t)[0].float().view(-1, copies).numpy()
            going &= (table[part, j] <= np.float32(search.delta)).mean(axis=1) >= search.probability - 1e-12
            if not going.any():
                break
    return table


def basins(count: int) -> None:
    digits = torch.from_numpy((load_digits().images * 255 / 16).round().astype(np.uint8))[:, None]
    rows = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))
    network = trained(digits[rows[:64]])
    images = digits[rows[: 64 + count]].float() / 127.5 - 1
    targets = torch.cat([images[: min(64, count)], images[64:]])  # memorized, and new; in no order
    targets = targets[torch.randperm(len(targets), generator=torch.Generator().manual_seed(1))]
    noise = torch.from_numpy(SampleNoise(0, range(len(targets)))((10, *targets.shape[1:])))
    model = Counted(network)
    search = Search(model, SCHEDULE, search_times(SCHEDULE, 1, 25), steps=20, delta=DELTA, probability=SHARE)

    def critical(table: np.ndarray) -> np.ndarray:
        return critical_times(table, DELTA, SHARE, DELTA).index

    ways: dict[str, Callable[[], np.ndarray]] = {
        "scan": lambda: scan(search, targets, noise)[0],
        "bisection": lambda: bisect(search, targets, noise),
        "full table": lambda: full_table(search, targets, noise),
        "scan of batches of 32": lambda: whole_batches(search, targets, noise, 32),
    }
    print(f"critical times of {len(targets)} targets, 10 copies, {len(search.times)} times")
    found: dict[str, np.ndarray] = {}
    first = (0.0, 0)
    for name, compute in ways.items():
        model.count = 0
        seconds, table = timed(compute)
        found[name] = critical(table)
        first = first if first[1] else (seconds, model.count)
        differ = (found[name] != found["scan"]).mean()
        assert differ == 0 or name == "bisection", name
        print(f"  {name:24} {model.count:10,} evaluations ({model.count / first[1]:5.2f})  {seconds:7.2f} s "
              f"({seconds / first[0]:5.2f})  other critical times at {differ:.1%} of the copies")  # fmt: skip


def spectra(side: int, images: int) -> None:
    d = side * side
    spec = MlpDenoiser(kind="mlp", width=d + 64, blocks=1, time_features=64)
    network = build_network(spec, (1, side, side), 1000, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    network = network.double().eval().requires_grad_(False)
    x = torch.rand(images, 1, side, side, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2 - 1
    t, model = 2, Counted(network)
    sigma, signal = float(SCHEDULE.sigma[t]), float(SCHEDULE.alpha_bar[t] ** 0.5)

    def score(points: torch.Tensor) -> torch.Tensor:
        times = torch.full((len(points),), t)
        parts = zip(points.split(4096), times.split(4096), strict=True)
        return torch.cat([-model(p.view(-1, 1, side, side), s).flatten(1) / sigma for p, s in parts])

    def gaussian() -> list[torch.Tensor]:
        rows = []
        with torch.inference_mode():
            for i in range(images):
                q = torch.from_numpy(SampleNoise(0, [i])((4 * d, d)))[0].double()
                centre = signal * x[i].flatten()
                rows.append((score(centre + sigma * q) - score(centre - sigma * q)) / 2)
        return rows

    ours_time, raw = timed(lambda: score_spectra(model, x, t, SCHEDULE))
    ours_count, model.count = model.count, 0
    evaluating, rows = timed(gaussian)
    theirs_count = model.count
    svd, values = timed(lambda: torch.stack([torch.linalg.svdvals(m) for m in rows]))
    gram = torch.eye(d, dtype=torch.float64) + torch.randn(images, d, d, dtype=torch.float64)
    eigen, _ = timed(lambda: torch.linalg.eigvalsh(gram.mT @ gram))
    exact = torch.stack([
        torch.linalg.svdvals(torch.func.jacrev(lambda p: score(p[None])[0])(signal * image.flatten())) for image in x
    ])  # fmt: skip
    error = {
        name: float((s - exact).norm() / exact.norm())
        for name, s in (
            ("ours", raw / normalisation(sigma, d, 1 / d)),
            ("theirs", values / normalisation(sigma, 4 * d, 1.0)),
        )
    }
    print(f"spectra of {images} images in {d} dimensions at t = {t}")
    print(f"  orthonormal, Gram matrix  {ours_count:8,} evaluations  {ours_time:6.2f} s, of which decomposition "
          f"{eigen:6.2f} s  {error['ours']:.1e} from the exact Jacobian's")  # fmt: skip
    print(f"  4 d Gaussian rows, SVD    {theirs_count:8,} evaluations  {evaluating + svd:6.2f} s, of which "
          f"decomposition {svd:6.2f} s  {error['theirs']:.1e} from the exact Jacobian's")  # fmt: skip
    print(f"  ratios: {theirs_count / ours_count:.1f} evaluations, {svd / eigen:.1f} decomposition, "
          f"{(evaluating + svd) / ours_time:.1f} in all")  # fmt: skip


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--targets", type=int, default=64, help="memorized ones, and as many new ones")
parser.add_argument("--side", type=int, default=28)
args = parser.parse_args()
torch.set_num_threads(1)
basins(args.targets)
spectra(args.side, 4)
