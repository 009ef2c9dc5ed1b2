"""Nearest neighbours side by side: the same neighbours, one thread, one run.

    python benchmarks/neighbors.py [--queries 1000] [--database 4000] [--device cuda]

LPIPS (AlexNet, a seeded random network: its arithmetic does not depend on the weights) by embedding, by LPIPS's own
arithmetic over all pairs of stored activations, and by the ``lpips`` module; both are timed on some of the queries.
L2 of FASHION-MNIST's size by amdiff, scikit-learn's brute force and torch.cdist. On a GPU all but scikit-learn use it.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import faiss
import lpips
import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

sys.path.insert(0, str(Path(__file__).parent.parent))
from amdiff.neighbors.embeddings import Embedding, embedding_of, weights_of
from amdiff.neighbors.knn import NeighborTable, nearest_neighbors
from amdiff.neighbors.pixels import PIXELS
from amdiff.neighbors.sets import ArraySource, DistinctSet
from amdiff.neighbors.vectors import Vectors
from amdiff.stages.loading import choose_device
from amdiff.stages.vector_file import VectorFile
from tests.backbones import save_backbone

K = 5


ROUNDS = 7
"""Each is timed so often, in turns, so that other work on the machine meets all; medians count."""


def timed(computations: Sequence[Callable[[], object]]) -> list[tuple[float, object]]:
    """Median seconds and the result of each."""
    seconds: list[list[float]] = [[] for _ in computations]
    results: list[object] = [None] * len(computations)
    for _ in range(ROUNDS):
        for i, compute in enumerate(computations):
            start = time.perf_counter()
            results[i] = compute()
            seconds[i].append(time.perf_counter() - start)
    return [(statistics.median(s), result) for s, result in zip(seconds, results, strict=True)]


def smooth(count: int, channels: int, side: int, seed: int) -> np.ndarray:
    """Images with structure, uint8."""
    coarse = torch.randn(count, channels, 6, 6, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    return ((0.4 * fine + 0.5).clip(0, 1) * 255).round().to(torch.uint8).numpy()


def search(queries: np.ndarray, database: np.ndarray, embedding: Embedding, folder: Path) -> NeighborTable:
    """As the workflow does it: byte-equal images found, features kept in a file."""

    def vectors(images: np.ndarray, name: str) -> Vectors:
        store = VectorFile(folder / name, embedding.dimension(images.shape[1:])) if embedding.costly else None
        return Vectors(DistinctSet.of(ArraySource(images)), embedding, store)

    return nearest_neighbors(vectors(queries, "queries"), vectors(database, "database"), K, device=DEVICE.type)


def line(name: str, seconds: float, pairs: int, base: float | None = None) -> float:
    rate = pairs / seconds
    ratio = f"{base / rate:>10,.1f} times" if base else ""
    print(f"  {name:<64} {seconds:>8.2f} s {rate:>14,.0f} pairs/s {ratio}")
    return rate


def compare_lpips(queries: np.ndarray, database: np.ndarray, folder: Path) -> None:
    weights = weights_of("lpips-alex", save_backbone(folder / "alex.pth", "lpips-alex"))
    embedding = embedding_of("lpips-alex", weights, DEVICE)
    module = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = module.state_dict()
    for name in state:
        if name.startswith("net."):
            state[name] = weights["features." + name.split(".", 2)[2]]
    module.load_state_dict(state)
    module.to(DEVICE)
    x, y = (torch.from_numpy(images).to(DEVICE).float() / 127.5 - 1 for images in (queries, database))

    @torch.inference_mode()
    def features(images: torch.Tensor) -> list[torch.Tensor]:
        """Activations of every tapped layer."""
        parts = [module.net(module.scaling_layer(part)) for part in images.split(250)]
        return [torch.cat(layer) for layer in zip(*parts, strict=True)]

    right = features(y)  # stored: their making is no part of the arithmetic

    @torch.inference_mode()
    def all_pairs(few: int) -> torch.Tensor:
        left = features(x[:few])
        rows = []
        for i in range(few):
            total = torch.zeros(len(y), device=DEVICE)
            for head, a, b in zip(module.lins, left, right, strict=True):
                difference = lpips.normalize_tensor(b) - lpips.normalize_tensor(a[i : i + 1])
                total += head(difference**2).mean(dim=(1, 2, 3))
            rows.append(total)
        return torch.stack(rows).cpu()

    @torch.inference_mode()
    def by_module(few: int) -> torch.Tensor:
        return torch.stack([
            torch.cat([module(x[i : i + 1].expand(len(part), -1, -1, -1), part).flatten() for part in y.split(250)])
            for i in range(few)
        ]).cpu()  # fmt: skip

    def table(queries: np.ndarray) -> NeighborTable:
        return search(queries, database, embedding, folder)

    table(queries[:50])  # libraries are loaded
    others = (
        ("LPIPS's arithmetic, all pairs of stored activations", all_pairs, 20),
        ("lpips module, one query at a time", by_module, 3),
    )
    (seconds, found), *rest = timed([lambda: table(queries), *(partial(compute, few) for _, compute, few in others)])
    assert isinstance(found, NeighborTable)
    print(f"LPIPS, {len(queries):,} x {len(database):,} images of {queries.shape[1:]}")
    ours = line("amdiff, embedding included", seconds, len(queries) * len(database))
    for (name, _, few), (seconds, distances) in zip(others, rest, strict=True):
        assert isinstance(distances, torch.Tensor)
        line(f"{name} ({few} queries)", seconds, few * len(database), ours)
        expected = distances.topk(K, largest=False)
        assert np.allclose(found.distance[:few], expected.values.numpy(), rtol=1e-4, atol=1e-8)
        assert (found.index[:few, 0] == expected.indices[:, 0].numpy()).mean() > 0.99


def compare_l2(queries: np.ndarray, database: np.ndarray, folder: Path) -> None:
    flat = [images.reshape(len(images), -1).astype(np.float32) / 127.5 - 1 for images in (queries, database)]
    pairs = len(queries) * len(database)

    def sklearn() -> np.ndarray:
        return NearestNeighbors(n_neighbors=K, algorithm="brute").fit(flat[1]).kneighbors(flat[0])[0]

    def cdist() -> np.ndarray:
        parts, there = torch.from_numpy(flat[0]).to(DEVICE).split(1000), torch.from_numpy(flat[1]).to(DEVICE)
        return torch.cat([torch.cdist(part, there).topk(K, largest=False).values for part in parts]).cpu().numpy()

    def amdiff() -> NeighborTable:
        return search(queries, database, PIXELS, folder)

    (seconds, found), *rest = timed([amdiff, sklearn, cdist])
    assert isinstance(found, NeighborTable)
    print(f"L2, {len(queries):,} x {len(database):,} images of {queries.shape[1:]}")
    ours = line("amdiff", seconds, pairs)
    for name, (seconds, distances) in zip(("scikit-learn, brute force", "torch.cdist and topk"), rest, strict=True):
        line(name, seconds, pairs, ours)
        assert np.allclose(found.distance, np.asarray(distances), rtol=1e-3, atol=math.sqrt(1e-4))


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--queries", type=int, default=1000)
parser.add_argument("--database", type=int, default=4000)
parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
args = parser.parse_args()
DEVICE = choose_device(args.device)
torch.set_num_threads(1)
faiss.omp_set_num_threads(1)
with tempfile.TemporaryDirectory() as temporary:
    compare_lpips(smooth(args.queries, 3, 32, 0), smooth(args.database, 3, 32, 1), Path(temporary))
    compare_l2(smooth(4 * args.queries, 1, 28, 2), smooth(4 * args.database, 1, 28, 3), Path(temporary))
