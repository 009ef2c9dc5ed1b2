"""LPIPS through an embedding against the packages that define it, and its neighbours against brute force."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
from torch import Tensor

from amdiff.catalogue.metrics import METRICS
from amdiff.errors import DataError
from amdiff.neighbors.embeddings import embedding_of, weights_of
from amdiff.neighbors.knn import nearest_neighbors
from amdiff.neighbors.perceptual import ARCHITECTURES, load_perceptual, squared_distance
from amdiff.neighbors.sets import ArraySource, DistinctSet
from amdiff.neighbors.vectors import Vectors
from amdiff.neighbors.weights import published_weights
from tests.backbones import save_backbone

SHAPES = [(1, 28, 28), (3, 28, 28), (3, 32, 32), (1, 40, 40), (3, 64, 64)]

BACKBONES = {"lpips-alex": "alex", "lpips-vgg": "vgg", "lpips-squeeze": "squeeze"}


def weights(metric: str, folder: Path) -> dict[str, Tensor]:
    path = save_backbone(folder / "backbone.pth", metric) if metric in BACKBONES else None
    return weights_of(metric, path)


def official(metric: str, tensors: dict[str, Tensor]) -> lpips.LPIPS:
    """The lpips package's module on the same network."""
    module = lpips.LPIPS(net=BACKBONES[metric], pnet_rand=True, verbose=False)
    state = module.state_dict()
    for name in state:
        parts = name.split(".")
        if parts[0] == "net":
            state[name] = tensors["features." + ".".join(parts[2:])]
    module.load_state_dict(state)
    return module


def pairs(shape: tuple[int, ...], count: int = 6) -> tuple[Tensor, Tensor]:
    """Images and others from very near to far."""
    x = torch.rand(count, *shape) * 2 - 1
    spread = torch.logspace(-3, 0, count)[:, None, None, None]
    return x, (x + spread * torch.randn_like(x)).clip(-1, 1)


def enlarged(x: Tensor) -> Tensor:
    """As the published code: three channels, 32 pixels at least."""
    side = max(32, x.shape[2])
    return torch.nn.functional.interpolate(x.repeat(1, 3 // x.shape[1], 1, 1), size=(side, side), mode="nearest-exact")


@pytest.mark.parametrize("metric", sorted(BACKBONES))
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_embedding_is_the_package_lpips(metric: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    tensors = weights(metric, tmp_path)
    x, y = pairs(shape)
    with torch.no_grad():
        expected = official(metric, tensors)(enlarged(x), enlarged(y)).flatten()
    network = load_perceptual(metric, tensors)
    assert torch.allclose(squared_distance(network)(x, y), expected, rtol=1e-5, atol=0)
    assert network.dimension(shape) == network(x).shape[1]


def test_feature_lengths_are_those_of_the_method(tmp_path: Path) -> None:
    network = load_perceptual("lpips-alex", weights("lpips-alex", tmp_path))
    assert network.dimension((3, 32, 32)) == network.dimension((1, 28, 28)) == 5760
    assert network.dimension((3, 64, 64)) == 31872


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 64, 64)], ids=str)
def test_the_shift_tolerant_metric_is_its_packages(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """The package imports two libraries for interactive work, which it does not need here."""
    monkeypatch.setitem(sys.modules, "torchsummary", types.SimpleNamespace(summary=None))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(embed=None))
    from stlpips_pytorch import stlpips

    load = torch.load
    monkeypatch.setattr(torch, "load", lambda path, **options: load(path, **{**options, "map_location": "cpu"}))
    module = stlpips.LPIPS(net="alex", variant="shift_tolerant", verbose=False)
    x, y = pairs(shape)
    with torch.no_grad():
        expected = module(enlarged(x), enlarged(y)).flatten()
    network = load_perceptual("stlpips-alex", weights_of("stlpips-alex"))
    assert torch.allclose(squared_distance(network)(x, y), expected, rtol=1e-5, atol=0)


def smooth_images(rng: np.random.Generator, count: int, channels: int = 3, side: int = 32) -> np.ndarray:
    coarse = torch.from_numpy(rng.normal(size=(count, channels, 5, 5))).float()
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    return ((fine * 0.4 + 0.5).clip(0, 1) * 255).round().to(torch.uint8).numpy()


@pytest.mark.parametrize("stored", [False, True])
def test_neighbors_by_lpips_are_those_of_brute_force(rng: np.random.Generator, tmp_path: Path, stored: bool) -> None:
    """500 against 2,000 images, with duplicates planted, in blocks of a few hundred."""
    from amdiff.stages.vector_file import VectorFile

    train = smooth_images(rng, 2000)
    samples = smooth_images(rng, 500)
    samples[:60] = train[rng.integers(0, 2000, 60)]
    near = train[100:140].astype(int) + rng.integers(-1, 2, train[100:140].shape)
    samples[60:100] = near.clip(0, 255)
    samples[490:] = samples[:10]
    embedding = embedding_of("lpips-alex", weights("lpips-alex", tmp_path), "cpu")

    def as_vectors(images: np.ndarray, name: str) -> Vectors:
        store = VectorFile(tmp_path / name, embedding.dimension(images.shape[1:])) if stored else None
        return Vectors(DistinctSet.of(ArraySource(images)), embedding, store)

    queries, database = as_vectors(samples, "samples"), as_vectors(train, "train")
    phi = [torch.from_numpy(embedding.vectors(images)).double() for images in (samples, train)]
    for right, vectors, k in ((database, phi[1], 5), (queries, phi[0], 5)):
        found = nearest_neighbors(queries, right, k, memory_mb=64)
        squares = torch.cdist(phi[0], vectors, compute_mode="donot_use_mm_for_euclid_dist").square()
        if right is queries:
            squares.fill_diagonal_(torch.inf)
        expected = squares.topk(k, largest=False).values.numpy()
        assert np.allclose(found.distance, expected, rtol=1e-7, atol=1e-11)
        assert np.allclose(squares.numpy()[np.arange(500)[:, None], found.index], expected, rtol=1e-7, atol=1e-11)
    assert (nearest_neighbors(queries, database, 1).distance[:60] == 0).all()


MEASURE = """
import sys
import numpy as np
from amdiff.neighbors.pixels import PIXELS
from amdiff.neighbors.knn import nearest_neighbors
from amdiff.neighbors.sets import DistinctSet
from amdiff.neighbors.vectors import Vectors
from amdiff.stages.vector_file import VectorFile
from dataclasses import replace
from pathlib import Path
import faiss
faiss.omp_set_num_threads(1)

class Drawn:
    '''Images made when they are asked for, four patches each: a set that never lies in memory.'''
    shape = (4000, 3, 16, 16)
    def rows(self, indices):
        coarse = [np.random.default_rng(int(i)).integers(0, 256, (3, 2, 2), dtype=np.uint8) for i in indices]
        return np.stack(coarse).repeat(8, axis=2).repeat(8, axis=3)

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

wide = replace(PIXELS, vectors=lambda images: np.repeat(PIXELS.vectors(images), 16, axis=1),
               dimension=lambda shape: 16 * PIXELS.dimension(shape), costly=True)
images = DistinctSet.of(Drawn())
store = VectorFile(Path(sys.argv[1]), wide.dimension(Drawn.shape[1:]))
vectors = Vectors(images, wide, store)
nearest_neighbors(Vectors(images, PIXELS), Vectors(images, PIXELS), 1, memory_mb=16)  # what libraries take
before = peak()
nearest_neighbors(vectors, vectors, 5, memory_mb=64)
print(peak() - before)
"""


def test_peak_memory_stays_within_its_bound(tmp_path: Path) -> None:
    """187 MiB of vectors, compared with each other within 64 MiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "vectors")],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (tmp_path / "vectors").stat().st_size == 4000 * 16 * 768 * 4
    assert float(done.stdout) < 64


def test_weights_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(DataError, match=r"text\.pth: cannot be read as weights"):
        weights_of("lpips-alex", tmp_path / "text.pth")
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match="holds no tensor named"):
        weights_of("lpips-vgg", tmp_path / "other.pth")
    foreign = published_weights(METRICS["lpips-alex"], save_backbone(tmp_path / "vgg.pth", "lpips-vgg"))
    with pytest.raises(ValueError, match="these are not the weights of lpips-alex"):
        load_perceptual("lpips-alex", foreign)
    with pytest.raises(ValueError, match="these are not the weights of lpips-alex"):
        weights_of("lpips-alex", tmp_path / "vgg.pth")


def test_without_a_network_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(DataError, match=r"put alexnet-owt-7be5be79\.pth into .*backbones: \{alex: .*'stlpips-alex'"):
        weights_of("lpips-alex")


def test_what_a_cache_holds_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    save_backbone(tmp_path / "hub/checkpoints/alexnet-owt-7be5be79.pth", "lpips-alex")
    with pytest.raises(DataError, match="is not torchvision's, or is damaged"):
        weights_of("lpips-alex")


def test_a_pickle_with_a_payload_is_refused(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    torch.save({"features.0.weight": Payload()}, tmp_path / "bad.pth")
    with pytest.raises(DataError, match="cannot be read as weights"):
        weights_of("lpips-alex", tmp_path / "bad.pth")
    assert not (tmp_path / "ran").exists()


def test_every_metric_has_a_label_and_with_a_network_an_architecture() -> None:
    assert set(METRICS) == {"pixels", "stlpips-alex", *BACKBONES}
    assert {name: metric.backbone for name, metric in METRICS.items() if metric.backbone} == BACKBONES
    assert {name for name, metric in METRICS.items() if metric.network} == set(ARCHITECTURES)
    assert all(metric.label and metric.title for metric in METRICS.values())
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)


def test_other_channels_are_refused(tmp_path: Path) -> None:
    network = load_perceptual("stlpips-alex", weights_of("stlpips-alex"))
    with pytest.raises(ValueError, match="1 or 3 channels, got 2"):
        network(torch.zeros(1, 2, 32, 32))
