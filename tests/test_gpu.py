"""On a GPU: the same bits on every run, and what the CPU computes up to rounding. Skipped where there is none."""

from __future__ import annotations

import copy
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from amdiff.artifacts import SPEC
from amdiff.catalogue import STAGES
from amdiff.config import DiffusionSpec, MlpDenoiser, SamplingSpec, TrainingSpec, UnetDenoiser, parse_config
from amdiff.diffusion.denoisers import build_network
from amdiff.diffusion.fast import fast
from amdiff.diffusion.graphs import WARM_UPS, Work
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import SampleNoise
from amdiff.diffusion.samplers import sampler_steps
from amdiff.diffusion.sampling import draw
from amdiff.diffusion.training import Trainer
from amdiff.leases import devices
from amdiff.neighbors.embeddings import embedding_of, weights_of
from amdiff.plan import Plan
from amdiff.project import prepare
from amdiff.stages import make
from amdiff.stages.loading import choose_device
from tests.backbones import save_backbone
from tests.conftest import SMALL, TOY, run_project
from tests.networks import perturbed
from tests.pipelines import tiny_pipeline
from tests.workflow_tools import wait_for

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

SCHEDULE = Schedule.linear(DiffusionSpec())
SHAPE = (3, 16, 16)
NETWORKS: dict[str, MlpDenoiser | UnetDenoiser] = {
    "mlp": MlpDenoiser(kind="mlp", width=800, blocks=2, time_features=32, dropout=0.1),
    "unet": UnetDenoiser(kind="unet", width=32, multipliers=(1, 2), attention_at=(8,), norm_groups=8, dropout=0.1),
}


def built(name: str, **changes: Any) -> torch.nn.Module:
    spec = NETWORKS[name].model_copy(update=changes)
    return build_network(spec, SHAPE, 1000, torch.Generator().manual_seed(0))


def trainer(name: str, precision: str, device: str = "cuda", *, graphs: bool = True, **changes: Any) -> Trainer:
    spec = TrainingSpec(batch_size=64, learning_rate=1e-3, warmup=10, ema_decay=0.9, precision=precision)
    where = choose_device(device, precision, training=True)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (256, *SHAPE), dtype=np.uint8)).to(where)
    network, work = built(name, **changes).to(where), Work(where, graphs=graphs)
    return Trainer(network, images, spec, SCHEDULE, iterations=40, log_every=10, work=work, tell=failed)


def failed(text: str) -> None:
    """Nothing may fall back here."""
    pytest.fail(text)


def weights(t: Trainer) -> list[torch.Tensor]:
    return list(t.ema.state_dict().values())


@pytest.mark.parametrize("precision", ["float32", "tfloat32", "bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_training_gives_the_same_bits_also_when_resumed(name: str, precision: str) -> None:
    whole, first = trainer(name, precision), trainer(name, precision)
    whole.run(40)
    first.run(23)
    assert whole._update.recorded
    file = io.BytesIO()
    torch.save(first.state(), file)
    second = trainer(name, precision)
    second.restore(torch.load(io.BytesIO(file.getvalue()), map_location="cuda", weights_only=True))
    second.run(40)
    assert second.log == whole.log
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(second), strict=True))
    assert whole.log[-1]["loss"] < 0.9 * whole.log[0]["loss"]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_computes_what_its_kernels_do_one_by_one(name: str) -> None:
    """Dropout included, whose draws the graph takes from the generator as it is at each replay."""
    replayed, launched = trainer(name, "float32"), trainer(name, "float32", graphs=False)
    replayed.run(20)
    launched.run(20)
    assert not launched._update.recorded
    for one, other in zip(replayed.log, launched.log, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_a_graph_that_cannot_be_recorded_leaves_training_as_it_was() -> None:
    """A number read from the device ends the recording. The generator of the device must be usable after it."""
    told: list[str] = []
    t, undisturbed = trainer("mlp", "float32"), trainer("mlp", "float32", graphs=False)
    t._update._tell = told.append  # and not ``failed``
    compute = t._update._compute

    def reads() -> None:
        compute()
        t._loss_sum.item()

    t._update._compute = reads
    t.run(40)
    undisturbed.run(40)
    assert len(told) == 1
    assert "no CUDA graph could be recorded" in told[0]
    assert t.log[-1] == pytest.approx(undisturbed.log[-1], rel=1e-4)


def test_a_recorded_training_survives_kill_9(tmp_path: Path) -> None:
    found = []
    for name, killed in (("whole", False), ("killed", True)):
        config = copy.deepcopy(SMALL)
        config["experiments"]["tiny"] |= {"sizes": [4]}
        config["experiments"]["tiny"]["training"] |= {"iterations": 10_000}
        config["runtime"] |= {"device": "cuda", "checkpoint_seconds": 0.5}
        root = tmp_path / name
        root.mkdir()
        (root / "config.yaml").write_text(yaml.safe_dump(config))
        plan = prepare(parse_config(config), root)
        data, training = (next(a for a in plan.by_folder.values() if a.stage == s) for s in ("dataset", "train"))
        make(data, plan, root)
        command = [sys.executable, "-m", "amdiff", "train", training.folder.as_posix()]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        if killed:
            run = subprocess.Popen(command, cwd=root, env=environment)
            wait_for(lambda root=root: list(root.glob("scratch/train/*/state.pt")))
            run.kill()
            assert run.wait() == -signal.SIGKILL
        done = subprocess.run(command, cwd=root, env=environment, check=True, stderr=subprocess.PIPE, text=True)
        assert ("resumes at step" in done.stderr) == killed
        found.append((root / training.folder / "weights.safetensors").read_bytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("name", NETWORKS)
def test_training_agrees_with_the_cpu(name: str) -> None:
    """Without dropout, whose draws differ; rounding grows with the steps."""
    found = []
    for device in ("cpu", "cuda"):
        t = trainer(name, "float32", device, dropout=0.0)
        t.run(10)
        found.append(t.log[-1]["loss"])
    assert found[1] == pytest.approx(found[0], rel=1e-3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_samples_agree_with_the_cpu(name: str, precision: str) -> None:
    t = trainer(name, "float32")
    t.run(40)
    steps = sampler_steps(SCHEDULE, SamplingSpec(steps=20))
    drawn = []
    for device, kind in (("cuda", precision), ("cuda", precision), ("cpu", "float32")):
        where = choose_device(device, kind)
        network = copy.deepcopy(t.ema).to(where)
        denoiser = fast(network, where, precision=kind, tell=failed)
        drawn.append(draw(denoiser, steps, SampleNoise(0, range(16)), SHAPE, device=where).cpu())
    assert torch.equal(drawn[0], drawn[1])
    assert (drawn[0] - drawn[2]).abs().max() < {"float32": 1e-3, "bfloat16": 0.2}[precision]


@pytest.mark.parametrize("n", [1, 31, 512, 700])
def test_replayed_evaluations_are_those_of_the_network(n: int) -> None:
    where = choose_device("cuda")
    network = perturbed(built("unet"), 0.02).to(where)
    quick = fast(copy.deepcopy(network), where, tell=failed)
    for _ in range(WARM_UPS + 2):
        x, t = torch.randn(n, *SHAPE, device=where), torch.randint(1000, (n,), device=where)
        with torch.inference_mode():
            assert torch.allclose(quick(x, t), network(x, t), atol=1e-4)


@pytest.mark.parametrize("metric", ["lpips-alex", "lpips-vgg"])
def test_perceptual_vectors_agree_with_the_cpu(metric: str, rng: np.random.Generator, tmp_path: Path) -> None:
    tensors = weights_of(metric, save_backbone(tmp_path / "backbone.pth", metric))
    images = rng.integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
    found = [embedding_of(metric, tensors, choose_device(name)).vectors(images) for name in ("cpu", "cuda")]
    assert np.abs(found[0] - found[1]).max() < 1e-4 * np.abs(found[0]).max()


def test_the_driver_counts_as_many_devices_as_torch() -> None:
    names = devices({})
    assert names is not None
    assert len(names) >= torch.cuda.device_count()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Plan, Path]]:
    """Two small experiments, whole, on each device."""
    found = {}
    for device in ("cpu", "cuda", "again"):
        config: dict[str, Any] = copy.deepcopy(SMALL)
        toy = copy.deepcopy(TOY)
        config["datasets"] |= toy["datasets"]
        config["experiments"] |= toy["experiments"]
        config["runtime"]["device"] = "cpu" if device == "cpu" else "cuda"
        root = tmp_path_factory.mktemp(device)
        found[device] = run_project(config, root), root
    return found


def test_a_run_says_which_device_it_used(both: dict[str, tuple[Plan, Path]]) -> None:
    plan, root = both["cuda"]
    names = devices({})
    assert names is not None
    for artifact in plan.by_folder.values():
        if artifact.stage == "train":
            facts = json.loads((root / artifact.folder / SPEC).read_text())["provenance"]
            assert facts["device"] == "cuda"
            assert facts["gpu"] in names


def test_a_run_on_a_gpu_has_the_addresses_of_one_on_the_cpu(both: dict[str, tuple[Plan, Path]]) -> None:
    assert both["cpu"][0].by_folder.keys() == both["cuda"][0].by_folder.keys()


def test_two_runs_on_a_gpu_give_the_same_bytes(both: dict[str, tuple[Plan, Path]]) -> None:
    (plan, first), (_, second) = both["cuda"], both["again"]
    for artifact in plan.by_folder.values():
        for name in STAGES[artifact.stage].files.values():
            one, other = (root / artifact.folder / name for root in (first, second))
            assert one.read_bytes() == other.read_bytes(), one


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_text_to_image_agrees_with_the_cpu(precision: str, tmp_path: Path) -> None:
    from amdiff.data.pipelines import read_components, weights_variants
    from amdiff.diffusion.guidance import TextToImage

    folder = tiny_pipeline(tmp_path / "pipeline")
    components = read_components(folder)
    drawn = [
        TextToImage(folder, components, weights_variants(folder), kind, choose_device(device))
        .draw("abc", SampleNoise(0, range(2)), side=8, scale=3.0, steps=5)
        .cpu()
        for kind, device in (("float32", "cpu"), (precision, "cuda"))
    ]
    assert (drawn[0] - drawn[1]).abs().max() < {"float32": 1e-3, "bfloat16": 0.3, "float16": 0.05}[precision]


def test_precisions_are_those_of_training_alone() -> None:
    choose_device("cuda", "tfloat32")
    assert torch.backends.cudnn.allow_tf32
    choose_device("cuda")
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
