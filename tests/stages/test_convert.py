"""Models of others: folders of diffusers, checkpoints in DDPM's layout, the hub."""

from __future__ import annotations

import argparse
import copy
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

from amdiff.config import ConfigError, DiffusionSpec, PretrainedDenoiser, parse_config
from amdiff.data.checkpoints import read_tensors
from amdiff.data.pretrained import find_model, model_path
from amdiff.diffusion.pretrained import Pretrained, build_unet, from_checkpoint
from amdiff.diffusion.processes import Schedule
from amdiff.errors import DataError
from amdiff.plan import Plan
from amdiff.project import prepare
from amdiff.stages import make
from amdiff.stages.context import Context
from amdiff.stages.exchange import export
from amdiff.stages.loading import load_denoiser
from amdiff.stages.stored_images import sample_images
from amdiff.store import Store
from tests.conftest import run_project
from tests.diffusion.ddpm import Ddpm

UNET = {"kind": "unet", "width": 8, "multipliers": [1, 2], "blocks": 1, "attention_at": [4], "norm_groups": 4}
SHARED = {
    "dataset": "digits",
    "sizes": [4, 6],
    "sampling": {"steps": 12, "minimum": 6},
    "thresholds": {"method": "fixed", "delta_m": 1, "delta_s": 1},
    "basin": None, "curvature": None, "energy": None,
}  # fmt: skip


def config(denoiser: dict[str, Any], **experiment: Any) -> dict[str, Any]:
    return {
        "datasets": {"digits": {"kind": "digits"}},
        "experiments": {"x": {**copy.deepcopy(SHARED), "denoiser": denoiser, **experiment}},
        "runtime": {"device": "cpu"},
    }


def make_models(asked: dict[str, Any], root: Path) -> Plan:
    """Make all up to the samples."""
    plan = prepare(parse_config(asked), root)
    for artifact in plan.by_folder.values():
        if artifact.stage in ("dataset", "train", "convert", "sample"):
            make(artifact, plan, root)
    return plan


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    """A sweep of our own, its models exported to models/<K>."""
    root = tmp_path_factory.mktemp("ours")
    training = {"iterations": 30, "batch_size": 4, "learning_rate": 0.003, "ema_decay": 0.5}
    plan = make_models(config(UNET, training=training), root)
    for model in plan.experiment("x").models:
        assert model.train is not None
        export(plan, model.train, root / "models" / str(model.size), root)
    return root, plan


def samples(root: Path, plan: Plan) -> list[np.ndarray]:
    return [
        sample_images(Store(root), m.shards).rows(np.arange(m.samples)) for m in plan.experiment("x").models
    ]  # fmt: skip


def test_pipelines_are_swept_like_our_own(ours: tuple[Path, Plan], tmp_path: Path) -> None:
    root, trained = ours
    asked = config({"kind": "pretrained", "path": f"{root}/models/{{K}}"}, basin={"count": 4, "train_count": 2})
    asked["experiments"]["x"]["thresholds"] = {"method": "fixed", "delta_m": 3, "delta_s": 1}
    plan = run_project(asked, tmp_path)
    for theirs, own in zip(samples(tmp_path, plan), samples(root, trained), strict=True):
        assert np.array_equal(theirs, own)
    assert (tmp_path / "results/x/report.html").exists()
    (first, _) = plan.experiment("x").models
    assert first.convert is not None
    assert first.train is None
    # what was converted is enough: the models may go, and may come back elsewhere
    shutil.move(root / "models", tmp_path / "elsewhere")
    again = prepare(parse_config(asked), tmp_path)
    assert [m.convert for m in again.experiment("x").models] == [m.convert for m in plan.experiment("x").models]
    assert any("what was read from it before is used" in note for note in again.notes)
    # but not for another path, where there may have been another model
    asked["experiments"]["x"]["denoiser"]["path"] = str(tmp_path / "typo/{K}")
    with pytest.raises(ConfigError, match=r"typo/4: there is no such file.* these were read from other paths before"):
        prepare(parse_config(asked), tmp_path)
    asked["experiments"]["x"]["denoiser"]["path"] = str(tmp_path / "elsewhere/{K}")
    moved = prepare(parse_config(asked), tmp_path)
    assert not moved.notes
    assert [m.convert for m in moved.experiment("x").models] == [m.convert for m in plan.experiment("x").models]
    shutil.move(tmp_path / "elsewhere", root / "models")


def test_other_weights_are_another_model(ours: tuple[Path, Plan], tmp_path: Path) -> None:
    root, _ = ours
    shutil.copytree(root / "models", tmp_path / "models")
    asked = parse_config(config({"kind": "pretrained", "path": str(tmp_path / "models/{K}")}))

    def addresses() -> list[str]:
        return [m.shards[0].address for m in prepare(asked, tmp_path).experiment("x").models]

    before = addresses()
    shutil.copy(
        tmp_path / "models/4/unet/diffusion_pytorch_model.safetensors",
        tmp_path / "models/6/unet/diffusion_pytorch_model.safetensors",
    )
    after = addresses()
    assert before[0] == after[0]
    assert before[1] != after[1]


def checkpoint(path: Path, networks: dict[str, torch.nn.Module]) -> None:
    """As trainings of DDPM's ports keep them."""
    stored: dict[str, Any] = {name: net.state_dict() for name, net in networks.items()}
    optimizer = torch.optim.Adam(networks["model"].parameters())
    torch.save({**stored, "opt": optimizer.state_dict(), "args": argparse.Namespace(K=4, lr=2e-4)}, path)


@pytest.mark.parametrize("at", [4, 0])
def test_checkpoints_in_ddpms_layout(tmp_path: Path, at: int) -> None:
    nets = {}
    for seed, name in enumerate(("model", "ema")):
        torch.manual_seed(seed)
        nets[name] = Ddpm(channels=1, side=8, width=8, multipliers=(1, 2), blocks=1, at=at, groups=4)
    for size in (4, 6):
        checkpoint(tmp_path / f"{size}.pt", nets)
    x, t = torch.randn(3, 1, 8, 8), torch.tensor([0, 500, 999])
    for which in ("ema", "model"):
        denoiser = {
            "kind": "pretrained", "path": f"{tmp_path}/{{K}}.pt", "norm_groups": 4, "weights": which,
        }  # fmt: skip
        plan = make_models(config(denoiser), tmp_path / which)
        (model, _) = plan.experiment("x").models
        loaded = load_denoiser(Context(Store(tmp_path / which), plan), model.shards[0], (1, 8, 8), "cpu")
        with torch.no_grad():
            torch.testing.assert_close(loaded(x, t), nets[which](x, t), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_whatever_is_predicted_becomes_the_noise(prediction: str) -> None:
    schedule = Schedule.linear(DiffusionSpec())
    x0, noise = torch.randn(4, 1, 8, 8), torch.randn(4, 1, 8, 8)
    t = torch.tensor([10, 300, 600, 999])
    signal, sigma = (torch.as_tensor(v, dtype=torch.float32)[:, None, None, None] for v in schedule.levels(t.numpy()))
    told = {"epsilon": noise, "v_prediction": signal * noise - sigma * x0, "sample": x0}[prediction]

    class Told(torch.nn.Module):
        def forward(self, x: torch.Tensor, t: torch.Tensor, return_dict: bool) -> tuple[torch.Tensor]:
            return (told,)

    model, x = Pretrained(Told(), prediction, schedule), signal * x0 + sigma * noise
    found = model(x, t)
    torch.testing.assert_close(found, noise, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(model(x, t.double()), found)  # levels between times are computed, not looked up
    assert model(x.double(), t).dtype == (torch.float32 if prediction == "epsilon" else torch.float64)
    assert "levels" not in model.state_dict()


def pipeline(folder: Path, scheduler: dict[str, Any] | None = None, **unet: Any) -> Path:
    small = {"block_out_channels": (8, 16), "norm_num_groups": 4, "layers_per_block": 1,
             "down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}  # fmt: skip
    net = UNet2DModel(**{"sample_size": 8, "in_channels": 1, "out_channels": 1, **small, **unet})
    DDPMPipeline(net, DDPMScheduler(**(scheduler or {}))).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("scheduler", "unet", "message"),
    [
        ({}, {"in_channels": 3, "out_channels": 3}, "is for images of 3 channels, the dataset's have 1"),
        ({}, {"sample_size": 16}, "is for images of 16x16, the dataset's are 8x8; use 'resize'"),
        ({}, {"num_class_embeds": 10}, "is conditioned on classes"),
        ({}, {"time_embedding_type": "fourier"}, "embeds times as 'fourier'"),
        ({"beta_end": 0.03}, {}, r"set 'diffusion: \{steps: 1000, beta_start: 0.0001, beta_end: 0.03\}'"),
        ({"beta_schedule": "squaredcos_cap_v2"}, {}, r"set 'diffusion: \{schedule: cosine, steps: 1000\}'"),
        ({"beta_schedule": "sigmoid"}, {}, "has betas of kind 'sigmoid'"),
        (
            {"predict_epsilon": False, "rescale_betas_zero_snr": True},
            {},
            "betas of kind 'linear' with rescale_betas_zero_snr=True",
        ),
        ({"prediction_type": "flow"}, {}, "predicts 'flow'; expected one of epsilon"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, {}, "which is not for the VP process in discrete time"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(
    tmp_path: Path, scheduler: dict[str, Any], unet: dict[str, Any], message: str
) -> None:
    path = pipeline(tmp_path / "m", {"prediction_type": "epsilon"}, **unet)
    about = path / "scheduler/scheduler_config.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | scheduler))
    with pytest.raises(ConfigError, match=message):
        prepare(parse_config(config({"kind": "pretrained", "path": str(path)})), tmp_path)


@pytest.mark.parametrize(
    ("denoiser", "message"),
    [
        ({}, "say where the model is, by 'path' or by 'hub'"),
        ({"path": "nowhere/{K}"}, "nowhere/4: there is no such file or folder"),
        ({"path": "models/{size}"}, "braces stand for the training-set size only"),
        ({"hub": "a/b"}, "'hub' needs 'revision', a commit of 40"),
        ({"hub": "a/b", "revision": "main"}, "revision"),
        ({"path": "m", "file": "4.pt"}, "belong to 'hub'"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, denoiser: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare(parse_config(config({"kind": "pretrained", **denoiser})), tmp_path)


def test_one_model_may_serve_all_sizes(ours: tuple[Path, Plan], tmp_path: Path) -> None:
    root, _ = ours
    plan = prepare(parse_config(config({"kind": "pretrained", "path": f"{root}/models/4"})), tmp_path)
    (a, b) = plan.experiment("x").models
    assert a.convert == b.convert
    assert a.shards != b.shards


def test_the_hub_is_asked_for_one_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    spec = PretrainedDenoiser(kind="pretrained", hub="lab/models", revision=commit, file="{K}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"lab/models at 0123.* cannot be downloaded .*give its folder as 'path'"):
        model_path(spec, 4)
    pipeline(tmp_path / "models--lab--models/snapshots" / commit / "4")
    found = find_model(model_path(spec, 4))
    assert found.unet is not None
    assert found.scheduler is not None


def test_nothing_in_a_checkpoint_is_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {marker}",)

    torch.save({"ema": {"a": torch.zeros(1)}, "args": Payload()}, tmp_path / "bad.pt")
    with pytest.raises(DataError, match=r"bad.pt: cannot be read as weights: it holds 'posix.system'") as said:
        read_tensors(find_model(tmp_path / "bad.pt"), "ema")
    assert not marker.exists()
    assert "weights_only" not in str(said.value)  # torch's advice to switch its safety off


@pytest.mark.parametrize(
    ("stored", "names"),
    [
        ({"a": torch.ones(1)}, {"a"}),
        ({"ema": {"shadow": {"module.a": torch.ones(1)}, "decay": 0.9}}, {"a"}),
        ({"params": {"a": torch.ones(1)}, "step": 3}, {"a"}),
        ({"state_dict": {"_orig_mod.a": torch.ones(1), "_orig_mod.n": torch.tensor(3)}}, {"a"}),
    ],
)
def test_weights_are_found_however_they_were_wrapped(tmp_path: Path, stored: Any, names: set[str]) -> None:
    torch.save(stored, tmp_path / "x.pt")
    assert set(read_tensors(find_model(tmp_path / "x.pt"), "ema")) == names


@pytest.mark.parametrize(
    ("last", "average"),
    [("params", "params_ema"), ("state_dict", "ema_state_dict"), ("params", "model_ema"), ("model", "ema_model")],
)
def test_averages_are_found_by_their_names(tmp_path: Path, last: str, average: str) -> None:
    torch.save({last: {"a": torch.zeros(1)}, average: {"a": torch.ones(1)}, "step": 3}, tmp_path / "x.pt")
    for which, value in (("ema", 1.0), ("model", 0.0)):
        assert float(read_tensors(find_model(tmp_path / "x.pt"), which)["a"]) == value


def test_several_sets_of_weights_are_not_guessed_among(tmp_path: Path) -> None:
    torch.save({"ema_0.999": {"a": torch.ones(1)}, "ema_0.9999": {"a": torch.ones(1)}}, tmp_path / "x.pt")
    with pytest.raises(DataError, match=r"several sets of weights under ema_0\.999, ema_0\.9999"):
        read_tensors(find_model(tmp_path / "x.pt"), "ema")


def test_the_scheduler_is_found_beside_the_network(tmp_path: Path) -> None:
    path = pipeline(tmp_path / "m", {"prediction_type": "v_prediction"})
    assert find_model(path / "unet").predicts(None) == "v_prediction"
    flat = tmp_path / "flat"
    shutil.copytree(path / "unet", flat)
    shutil.copy(path / "scheduler/scheduler_config.json", flat)
    assert find_model(flat).predicts(None) == "v_prediction"
    with pytest.raises(
        DataError,
        match="its scheduler says that the network predicts 'v_prediction', but 'prediction' says 'sample'; leave",
    ):
        find_model(flat).predicts("sample")


def test_models_of_latents_are_refused(tmp_path: Path) -> None:
    path = pipeline(tmp_path / "m")
    index = path / "model_index.json"
    index.write_text(json.dumps({"_class_name": "LDMPipeline", "vqvae": ["diffusers", "VQModel"]}))
    with pytest.raises(DataError, match="is a LDMPipeline, whose U-Net draws latents for its 'vqvae'"):
        find_model(path)


def test_old_names_of_attention_layers(tmp_path: Path) -> None:
    """Before diffusers 0.15 they were query, key, value and proj_attn; diffusers itself still loads them."""
    from safetensors.torch import load_file, save_file

    path = pipeline(tmp_path / "m", down_block_types=("DownBlock2D", "AttnDownBlock2D"), attention_head_dim=4)
    file = path / "unet/diffusion_pytorch_model.safetensors"
    new = load_file(file)
    renames = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = {}
    for name, tensor in new.items():
        for ours, theirs in renames.items():
            name = name.replace(f".{ours}.", f".{theirs}.") if ".attentions." in name else name
        old[name] = tensor
    assert set(old) != set(new)
    save_file(old, file)
    found = find_model(path)
    assert found.unet is not None
    ours = build_unet(found.unet, read_tensors(found, "ema"))
    theirs = UNet2DModel.from_pretrained(path / "unet")
    x, t = torch.randn(2, 1, 8, 8), torch.tensor([3, 700])
    with torch.no_grad():
        torch.testing.assert_close(ours(x, t).sample, theirs(x, t).sample)


def test_the_last_weights_are_not_taken_for_the_average(tmp_path: Path) -> None:
    torch.save({"model": {"a": torch.ones(1)}, "step": 3}, tmp_path / "x.pt")
    assert set(read_tensors(find_model(tmp_path / "x.pt"), "model")) == {"a"}
    with pytest.raises(DataError, match=r"holds weights under 'model', none under 'ema'; set 'weights: model'"):
        read_tensors(find_model(tmp_path / "x.pt"), "ema")


def test_tensors_without_an_architecture_are_refused(tmp_path: Path) -> None:
    torch.save({"opt": 1, "step": 2}, tmp_path / "x.pt")
    with pytest.raises(DataError, match=r"holds no tensors by name, nor under 'ema'; it has: opt, step"):
        read_tensors(find_model(tmp_path / "x.pt"), "ema")
    names = UNet2DModel(**{"sample_size": 8, "block_out_channels": (32,), "down_block_types": ("DownBlock2D",),
                           "up_block_types": ("UpBlock2D",)}).state_dict()  # fmt: skip
    with pytest.raises(ValueError, match=r"not in DDPM's layout .* give the folder, whose config.json"):
        from_checkpoint(names, 32)
