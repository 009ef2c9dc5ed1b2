"""Audits of large training sets: time and peak memory of `amdiff audit`, on as many threads as there are cores.

    python benchmarks/audit.py [--train 1000000] [--synthetic 10000] [--folder DIR]

Random smooth colour images of 32x32, of whose samples 10 % are copies of training images. The training set grows to
the size asked for at a fixed number of samples, after a run with a quarter of the samples. `--folder` needs room for
twice the largest set.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
PIECE = 10_000


def smooth(rng: np.random.Generator, count: int) -> np.ndarray:
    """Images with structure, uint8 (count, 3, 32, 32): blends of random colours at the corners of a 4x4 grid."""
    coarse = rng.integers(0, 256, (count, 3, 5, 5)).astype(np.float32)
    at = np.linspace(0, 4, 32)
    weight = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(5))).astype(np.float32)
    return np.rint(weight @ coarse @ weight.T).astype(np.uint8)


def write(path: Path, count: int, seed: int, copies: np.ndarray | None = None) -> None:
    """An array of images on disk, of which every tenth is one of ``copies``."""
    rng = np.random.default_rng(seed)
    out = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 3, 32, 32))
    for start in range(0, count, PIECE):
        out[start : start + PIECE] = smooth(rng, min(PIECE, count - start))
    if copies is not None:
        out[::10] = copies[rng.integers(len(copies), size=len(out[::10]))]
    out.flush()


def audit(folder: Path, train: int, synthetic: int) -> tuple[float, float]:
    """Seconds and peak GiB of an audit."""
    write(folder / "train.npy", train, 0)
    write(folder / "synthetic.npy", synthetic, 1, np.load(folder / "train.npy", mmap_mode="r"))
    start = time.monotonic()
    command = [sys.executable, "-m", "amdiff", "audit", "--train", "train.npy", "--synthetic", "synthetic.npy"]
    command += ["--metric", "pixels"]
    code = (
        "import json, resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr); "
        "print(json.dumps(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=folder, check=True, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    seconds, peak = time.monotonic() - start, json.loads(done.stdout) / 2**20
    found = json.loads((folder / "audit/summary.json").read_text())
    assert found["n_train"] == train
    assert abs(found["memorized"]["fraction"] - 0.1) < 0.01, found["memorized"]
    shutil.rmtree(folder / "audit")
    return seconds, peak


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--train", type=int, default=1_000_000)
parser.add_argument("--synthetic", type=int, default=10_000)
parser.add_argument("--folder", type=Path, default=None)
args = parser.parse_args()
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
sizes = [(args.train // 16, args.synthetic // 4), *((args.train // d, args.synthetic) for d in (16, 4, 1))]
print(f"{'training images':>16} {'samples':>9} {'seconds':>9} {'peak GiB':>9}")
for train, synthetic in sizes:
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        seconds, peak = audit(Path(temporary), train, synthetic)
    print(f"{train:>16,} {synthetic:>9,} {seconds:>9.0f} {peak:>9.2f}", flush=True)
