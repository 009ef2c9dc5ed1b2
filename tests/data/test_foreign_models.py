"""Models as people's trainings leave them: which weights are taken, what they predict, and what is not guessed."""

from __future__ import annotations

import collections
import json
import pathlib
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel
from safetensors.torch import save_file

from amdiff.config import ConfigError, DiffusionSpec, PretrainedDenoiser, parse_config
from amdiff.data.checkpoints import read_tensors
from amdiff.data.pretrained import find_model, misfit
from amdiff.diffusion.diffusers_format import forward_process
from amdiff.diffusion.pretrained import from_diffusers
from amdiff.diffusion.processes import Schedule
from amdiff.errors import DataError
from amdiff.frozen import freeze, thaw
from amdiff.project import prepare
from tests.diffusion.ddpm import Ddpm
from tests.stages.test_convert import config, make_models, pipeline

STEM = "diffusion_pytorch_model"


def net(value: float) -> torch.nn.Module:
    """A small network of DDPM's layout whose tensors tell which one it is."""
    network = Ddpm(channels=1, side=8, width=8, multipliers=(1, 2), blocks=1, at=4, groups=4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)
    return network


LAST, MEAN = 1.0, 2.0


def named(value: float, prefix: str = "") -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in net(value).state_dict().items()}


def value(path: Path, which: str, notes: list[str] | None = None) -> float:
    """Which of the networks was read, all its tensors under their own names."""
    tensors = read_tensors(find_model(path, which), which, notes)
    assert tensors.keys() == net(0).state_dict().keys()
    (found,) = {float(tensor.mean()) for tensor in tensors.values()}
    return found


LAYOUTS: dict[str, Any] = {
    "plain": {"model": named(LAST), "ema": named(MEAN)},
    "list": [named(LAST, "module."), {"state": {}, "param_groups": []}, 3, 1000, named(MEAN)],
    "tuple": (named(LAST), named(MEAN, "module.")),
    "compiled": {"model": named(LAST, "module._orig_mod."), "ema": named(MEAN, "_orig_mod.module.")},
    "ema-pytorch": {
        "step": 5,
        "model": named(LAST),
        "ema": {
            "initted": torch.tensor(True),
            "step": torch.tensor(5),
            **named(LAST, "online_model."),
            **named(MEAN, "ema_model."),
        },
    },
    "nested": {"net": {"model": named(LAST), "ema_model": named(MEAN)}},
    "nested-deeper": {"state_dict": {"model": named(LAST), "ema": named(MEAN)}},
    "camel": {"net": named(LAST), "netEMA": named(MEAN)},
    "ema-pytorch-alone": {**named(LAST, "online_model."), **named(MEAN, "ema_model.")},
    "lightning": {"epoch": 1, "state_dict": {**named(LAST, "model."), **named(MEAN, "ema_model.")}, "loops": {}},
    "lightning-deep": {
        "state_dict": {
            **named(LAST, "unet._orig_mod."),
            **named(MEAN, "unet_ema.module."),
            "lpips.lin0.weight": torch.ones(3),
        }
    },
    "settings": {
        "model": named(LAST),
        "ema": named(MEAN),
        "best_fid": np.float64(12.3),
        "seed": np.int64(3),
        "losses": np.arange(4.0),
        "dtype": np.dtype("float32"),
        "args": types.SimpleNamespace(lr=1e-4),
        "counts": collections.defaultdict(list, {"a": [1]}),
        "out": pathlib.PurePosixPath("runs/1"),
        "home": pathlib.Path("runs"),
    },
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_checkpoints(tmp_path: Path, name: str) -> None:
    torch.save(LAYOUTS[name], tmp_path / "x.pt")
    assert value(tmp_path / "x.pt", "ema") == MEAN
    assert value(tmp_path / "x.pt", "model") == LAST


@pytest.mark.parametrize(
    "stored", [[named(LAST), 3], {"state_dict": named(LAST, "net.")}, named(LAST), named(LAST, "model.module.")]
)
@pytest.mark.parametrize("which", ["ema", "model"])
def test_one_set_of_weights_may_be_either_and_it_is_said(tmp_path: Path, stored: Any, which: str) -> None:
    torch.save(stored, tmp_path / "x.pt")
    notes: list[str] = []
    assert value(tmp_path / "x.pt", which, notes) == LAST
    assert notes == ["the file holds one set of weights, which may be the moving average or the last"]


def test_several_networks_are_not_guessed_among(tmp_path: Path) -> None:
    torch.save({"state_dict": {**named(LAST, "student."), **named(MEAN, "teacher.")}}, tmp_path / "x.pt")
    with pytest.raises(DataError, match=r"several sets of weights under state_dict\.student, state_dict\.teacher"):
        read_tensors(find_model(tmp_path / "x.pt"), "model")


@pytest.mark.parametrize(
    ("stored", "which", "message"),
    [
        (
            {"state_dict": named(MEAN, "ema_model.")},
            "model",
            "holds weights under 'state_dict.ema_model', none under 'model'",
        ),
        (named(MEAN, "ema_model."), "model", "none under 'model'; set 'weights: ema'"),
        (
            {"state_dict": named(LAST), "ema": {"shadow_params": [torch.ones(2)]}},
            "ema",
            "holds an average under 'ema', not",
        ),
        (
            {"schema": named(MEAN), "model": named(LAST)},
            "ema",
            "holds weights under 'schema', 'model', none under 'ema'",
        ),
    ],
)
def test_what_is_not_there_is_not_replaced(tmp_path: Path, stored: Any, which: str, message: str) -> None:
    torch.save(stored, tmp_path / "x.pt")
    with pytest.raises(DataError, match=message):
        read_tensors(find_model(tmp_path / "x.pt"), which)


def test_names_that_lost_their_dots(tmp_path: Path) -> None:
    """As the averages of latent diffusion's code have them."""
    flat = {f"model_ema.diffusion_model{name.replace('.', '')}": tensor for name, tensor in named(MEAN).items()}
    last = named(LAST, "model.diffusion_model.")
    stored = {"state_dict": {**last, **flat, "model_ema.decay": torch.tensor(0.99)}}
    torch.save(stored, tmp_path / "x.pt")
    assert value(tmp_path / "x.pt", "ema") == MEAN
    assert value(tmp_path / "x.pt", "model") == LAST


class Custom:
    """No plain data."""


def test_what_stands_in_the_way_is_named_without_bad_advice(tmp_path: Path) -> None:
    torch.save({"model": named(LAST), "config": Custom()}, tmp_path / "x.pt")
    with pytest.raises(
        DataError, match=r"x\.pt: cannot be read as weights: it holds 'tests\..*models\.Custom'"
    ) as said:
        read_tensors(find_model(tmp_path / "x.pt"), "ema")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "x.pt").read_bytes()[:500])
    with pytest.raises(DataError, match=r"cut\.pt: cannot be read as weights") as cut:
        read_tensors(find_model(tmp_path / "cut.pt"), "ema")
    for error in (said, cut):
        assert "weights_only" not in str(error.value)
        assert "\x1b" not in str(error.value)


# -- folders ----------------------------------------------------------------------------------


def folder(path: Path, weights: dict[str, Any]) -> None:
    """A network's folder with files of weights, each filled with a number, or what was given."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps({"_class_name": "UNet2DModel", "in_channels": 1, "out_channels": 1}))
    for name, filled in weights.items():
        tensors = filled if isinstance(filled, dict) else {"a": torch.full((2,), float(filled))}
        if name.endswith(".json"):
            (path / name).write_text(json.dumps(tensors))
        elif name.endswith(".bin"):
            torch.save(tensors, path / name)
        else:
            save_file(tensors, path / name)


def read(path: Path, which: str) -> tuple[float, tuple[str, ...]]:
    found = find_model(path, which)
    return float(read_tensors(found, which)["a"][0]), found.notes


def test_the_average_beside_the_last_weights(tmp_path: Path) -> None:
    """As diffusers' own training leaves a checkpoint."""
    folder(tmp_path / "c/unet", {f"{STEM}.safetensors": LAST})
    assert read(tmp_path / "c", "ema")[0] == LAST  # one set of weights, whatever it is
    folder(tmp_path / "c/unet_ema", {f"{STEM}.safetensors": MEAN})
    assert read(tmp_path / "c", "ema")[0] == MEAN
    assert read(tmp_path / "c", "model")[0] == LAST
    assert read(tmp_path / "c/unet", "ema")[0] == LAST  # named by its own path
    names = {which: [name for name, _ in find_model(tmp_path / "c", which).files] for which in ("ema", "model")}
    assert names["ema"] != names["model"]
    folder(tmp_path / "d/unet_ema", {f"{STEM}.safetensors": MEAN})
    with pytest.raises(DataError, match="holds only unet_ema, the moving average; set 'weights: ema'"):
        find_model(tmp_path / "d", "model")


@pytest.mark.parametrize(
    ("files", "ema", "model"),
    [
        ({"": 1, ".ema": 2}, 2, 1),
        ({"": 1, ".non_ema": 2}, 1, 2),
        ({".fp16": 3}, 3, 3),
        ({"": 1, ".fp16": 3}, 1, 1),
        ({".ema": 2}, 2, "holds only weights of variant 'ema'; set 'weights: ema'"),
        ({".non_ema": 2}, "holds only weights of variant 'non_ema'; set 'weights: model'", 2),
    ],
)
@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_variants_of_weights(tmp_path: Path, files: dict[str, float], ema: Any, model: Any, suffix: str) -> None:
    folder(tmp_path / "unet", {f"{STEM}{variant}.{suffix}": filled for variant, filled in files.items()})
    for which, expected in (("ema", ema), ("model", model)):
        if isinstance(expected, str):
            with pytest.raises(DataError, match=expected):
                find_model(tmp_path, which)
            continue
        found, notes = read(tmp_path, which)
        assert found == expected
        assert any("half precision" in note for note in notes) == (expected == 3)


@pytest.mark.parametrize("dotted", ["", ".fp16"])
def test_weights_in_parts(tmp_path: Path, dotted: str) -> None:
    parts = [f"{STEM}{dotted}-0000{i}-of-00002.safetensors" for i in (1, 2)]
    index = f"{STEM}.safetensors.index{dotted}.json"
    folder(tmp_path, {index: {"weight_map": dict(zip("ab", parts, strict=True))}, parts[0]: {"a": torch.ones(1)}})
    with pytest.raises(DataError, match=f"lacks {parts[1]}, which"):
        find_model(tmp_path)
    save_file({"b": torch.ones(1)}, tmp_path / parts[1])
    found = find_model(tmp_path)
    assert read_tensors(found, "ema").keys() == {"a", "b"}
    assert {name for name, _ in found.files} == {"config.json", index, *parts}


# -- what a network predicts ------------------------------------------------------------------


def test_what_no_scheduler_tells_has_to_be_stated(tmp_path: Path) -> None:
    path = pipeline(tmp_path / "m")
    alone = tmp_path / "alone"
    (path / "unet").rename(alone)
    wanted = r"\(.*/alone\); set 'prediction' to what the network was trained to predict: 'epsilon' \(the noise\)"
    with pytest.raises(ConfigError, match=f"says what it predicts {wanted}"):
        prepare(parse_config(config({"kind": "pretrained", "path": str(alone)})), tmp_path)
    asked = config({"kind": "pretrained", "path": str(alone), "prediction": "sample"})
    plan = make_models(asked, tmp_path)
    convert = plan.experiment("x").models[0].convert
    assert convert is not None
    assert json.loads((tmp_path / convert.folder / "network.json").read_text())["prediction"] == "sample"
    notes = json.loads((tmp_path / convert.folder / "spec.json").read_text())["provenance"]["notes"]
    assert notes == [
        "it holds one set of weights, which may be the moving average or the last",
        "no file says its forward process; it is taken to be that of 'diffusion'",
    ]


def test_a_checkpoint_is_taken_to_predict_the_noise_and_it_is_said(tmp_path: Path) -> None:
    torch.save(named(LAST), tmp_path / "x.pt")
    found = find_model(tmp_path / "x.pt")
    assert found.predicts(None) == "epsilon"
    assert any("taken to predict the noise" in line for line in found.assumptions(None))
    assert found.predicts("v_prediction") == "v_prediction"
    assert not any("taken to predict" in line for line in found.assumptions("v_prediction"))


def test_what_is_not_stated_is_no_part_of_an_address() -> None:
    assert "prediction" not in PretrainedDenoiser(kind="pretrained", path="x").identity()
    assert PretrainedDenoiser(kind="pretrained", path="x", prediction="sample").identity()["prediction"] == "sample"
    assert DiffusionSpec().identity() == {"steps": 1000, "beta_start": 1e-4, "beta_end": 0.02}
    assert DiffusionSpec(schedule="cosine").identity() == {"schedule": "cosine", "steps": 1000}


def test_the_old_way_to_say_that_an_image_is_predicted(tmp_path: Path) -> None:
    path = pipeline(tmp_path / "m")
    about = path / "scheduler/scheduler_config.json"
    told = json.loads(about.read_text())
    del told["prediction_type"]
    about.write_text(json.dumps(told | {"predict_epsilon": False}))
    assert find_model(path).predicts(None) == "sample"
    unet = UNet2DModel.from_pretrained(path / "unet")
    denoiser, _ = from_diffusers(unet, DDPMScheduler.from_pretrained(path / "scheduler"))
    assert denoiser.prediction == "sample"
    about.write_text(json.dumps(told | {"predict_epsilon": True}))
    assert find_model(path).predicts(None) == "epsilon"


@pytest.mark.parametrize(("ours", "theirs"), [("cosine", "squaredcos_cap_v2"), ("scaled_linear", "scaled_linear")])
def test_schedules_are_those_of_diffusers(tmp_path: Path, ours: str, theirs: str) -> None:
    scheduler = DDPMScheduler(num_train_timesteps=200, beta_schedule=theirs)
    spec = DiffusionSpec.model_validate(forward_process(scheduler.config))
    assert spec.schedule == ours
    assert np.allclose(Schedule.of(spec).alpha_bar, scheduler.alphas_cumprod.double().numpy(), rtol=1e-5, atol=1e-9)
    model = find_model(pipeline(tmp_path / "m", {"num_train_timesteps": 200, "beta_schedule": theirs}))
    assert misfit(model, (1, 8, 8), spec, None) is None
    assert "has another forward process" in str(misfit(model, (1, 8, 8), DiffusionSpec(steps=200), None))


def test_a_cosine_has_no_other_betas() -> None:
    with pytest.raises(ValueError, match="follows from 'steps' alone"):
        DiffusionSpec(schedule="cosine", beta_end=0.1)
    spec = DiffusionSpec(schedule="cosine")
    assert DiffusionSpec.model_validate_json(spec.model_dump_json()) == spec  # as configurations are frozen


def test_a_model_of_a_cosine_schedule_is_swept(tmp_path: Path) -> None:
    """By the plan that jobs read, whose defaults are spelled out."""
    path = pipeline(tmp_path / "m", {"num_train_timesteps": 200, "beta_schedule": "squaredcos_cap_v2"})
    asked = config({"kind": "pretrained", "path": str(path)}, diffusion={"schedule": "cosine", "steps": 200})
    plan = prepare(parse_config(asked), tmp_path)
    assert [a.address for a in thaw(tmp_path / freeze(plan.config, tmp_path), tmp_path).by_folder.values()] == [
        a.address for a in plan.by_folder.values()
    ]
    make_models(asked, tmp_path)
