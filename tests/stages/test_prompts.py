"""Prompts to a text-to-image model: tiny random pipelines in the layout of the real ones."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from amdiff.artifacts import Artifact
from amdiff.config import ConfigError, parse_config
from amdiff.data.pipelines import pipeline_files, read_components, weights_variants
from amdiff.diffusion.guidance import TextToImage
from amdiff.diffusion.randomness import SampleNoise
from amdiff.errors import DataError
from amdiff.files import read_json
from amdiff.plan import Plan
from amdiff.project import prepare
from amdiff.stages import make
from amdiff.store import Store
from tests.conftest import run_project
from tests.pipelines import edit, tiny_pipeline

SCALE, STEPS, TIME = 3.0, 4, 15


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipeline(tmp_path_factory.mktemp("pipelines") / "tiny")


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("training") / "cat.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)).save(path)
    return path


def config(pipeline: Path, photo: Path, /, **changes: Any) -> dict[str, Any]:
    block = {
        "pipeline": {"path": str(pipeline)},
        "prompts": [
            {"text": "a cat", "candidate": "memorized", "image": str(photo)},
            {"text": "<b>a dog on the mat of a friend", "candidate": "generalized"},
        ],
        "seeds": [3, 4],
        "guidance": SCALE,
        "steps": STEPS,
        "precision": "float32",
        "spectrum": {"times": [2, TIME], "method": "central", "skip": 5},
        **changes,
    }
    return {"prompts": {"tiny": block}, "runtime": {"device": "cpu", "latent_batch": 32}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, pipeline: Path, photo: Path) -> tuple[Path, Plan]:
    root = tmp_path_factory.mktemp("prompts")
    return root, run_project(config(pipeline, photo), root)


def of(plan: Plan, stage: str) -> list[Artifact]:
    return [a for a in plan.by_folder.values() if a.stage == stage]


def stored(root: Path, artifact: Artifact, name: str) -> np.ndarray:
    with h5py.File(next((root / artifact.folder).glob("*.h5")), "r") as file:
        return file[name][:]


def text_to_image(pipeline: Path) -> TextToImage:
    return TextToImage(pipeline, read_components(pipeline), weights_variants(pipeline), "float32", torch.device("cpu"))


def test_images_are_those_of_diffusers(finished: tuple[Path, Plan], pipeline: Path) -> None:
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    root, plan = finished
    theirs = StableDiffusionPipeline.from_pretrained(pipeline, safety_checker=None)
    theirs.scheduler = DDIMScheduler.from_pretrained(pipeline / "scheduler")
    theirs.set_progress_bar_config(disable=True)
    for artifact in of(plan, "generate"):
        start = torch.from_numpy(SampleNoise(artifact.params["seed"], [0])((4, 8, 8)))
        drawn = theirs(
            artifact.params["prompt"], num_inference_steps=STEPS, guidance_scale=SCALE, latents=start, output_type="np"
        ).images[0]  # fmt: skip
        ours = stored(root, artifact, "image").transpose(1, 2, 0)
        assert ours.shape == (16, 16, 3)
        assert np.abs(ours - 255 * drawn).max() <= 0.51


def guided_score(model: TextToImage, prompt: str, latent: torch.Tensor) -> torch.Tensor:
    """The guided score at the noise level, from the pieces of the pipeline."""
    pipe = model._pipeline
    alpha_bar = pipe.scheduler.alphas_cumprod[TIME]
    prompted, nothing = (text.to(latent.dtype) for text in pipe.encode_prompt(prompt, "cpu", 1, True))
    free, given = (pipe.unet(latent[None], torch.tensor([TIME]), text).sample[0] for text in (nothing, prompted))
    return -(free + SCALE * (given - free)) / (1 - alpha_bar).sqrt()


def test_spectra_are_those_of_the_exact_jacobian(finished: tuple[Path, Plan], pipeline: Path) -> None:
    root, plan = finished
    model = text_to_image(pipeline)
    artifact = of(plan, "spectrum")[0]
    latent = torch.from_numpy(stored(root, artifact.parent("generate"), "latent"))
    alpha_bar = model._pipeline.scheduler.alphas_cumprod[TIME]
    prompt = artifact.parent("generate").params["prompt"]
    at = (alpha_bar.sqrt() * latent).double()
    model._pipeline.unet.double()
    jacobian: Any = torch.autograd.functional.jacobian(lambda x: guided_score(model, prompt, x), at)
    exact = np.linalg.svd(jacobian.reshape(256, 256).numpy(), compute_uv=False)
    ours = stored(root, artifact, f"normalised/t{TIME:05d}")
    np.testing.assert_allclose(ours[:50], exact[:50], rtol=0.02)
    sigma = stored(root, artifact, "sigma")[1]
    np.testing.assert_allclose(sigma, float((1 - alpha_bar).sqrt()), rtol=1e-5)
    np.testing.assert_allclose(stored(root, artifact, f"raw/t{TIME:05d}"), ours * sigma, rtol=1e-6)


@pytest.mark.parametrize("directions", ["gaussian", "orthonormal"])
def test_one_sided_rows_are_scores(finished: tuple[Path, Plan], pipeline: Path, directions: str) -> None:
    """Algorithm 3: the rows are the scores themselves, whatever their mean."""
    from amdiff.landscape.curvature import score_spectra

    root, plan = finished
    model = text_to_image(pipeline)
    latent = torch.from_numpy(stored(root, of(plan, "generate")[0], "latent"))
    noise = SampleNoise(5, [0]) if directions == "gaussian" else None
    rows = 300 if noise else 256
    found = score_spectra(
        model.guided("a cat", SCALE), latent[None], TIME, model.schedule, method="one-sided", rows=rows, noise=noise,
        batch=64,
    )[0]  # fmt: skip
    around = torch.from_numpy(SampleNoise(5, [0])((rows, 256))[0]) if noise else torch.eye(256)
    signal, sigma = model.schedule.alpha_bar[TIME] ** 0.5, model.schedule.sigma[TIME]
    with torch.no_grad():
        points = float(signal) * latent + float(sigma) * around.reshape(-1, 4, 8, 8)
        scores = torch.stack([guided_score(model, "a cat", x) for x in points]).reshape(rows, 256)
    expected = np.linalg.svd(scores.double().numpy(), compute_uv=False)
    np.testing.assert_allclose(found.numpy()[:100], expected[:100], rtol=1e-3)


def test_a_stopped_spectrum_goes_on(
    finished: tuple[Path, Plan], pipeline: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from amdiff.landscape import curvature
    from amdiff.stages.resuming import save_arrays

    random = {"times": [2, TIME], "directions": "gaussian", "method": "one-sided"}
    raw = config(pipeline, photo, spectrum=random, seeds=[3], prompts=[{"text": "a cat", "candidate": "memorized"}])
    raw["runtime"]["checkpoint_seconds"] = 1e-9
    monkeypatch.setattr("amdiff.landscape.curvature.PIECE", 4096)
    whole = run_project(raw, tmp_path / "whole")
    plan = prepare(parse_config(raw), tmp_path / "stopped")
    (artifact,) = of(plan, "spectrum")
    for before in artifact.ancestors():
        make(before, plan, tmp_path / "stopped")

    def save(path: Path, **arrays: np.ndarray) -> None:
        save_arrays(path, **arrays)
        if path.name == f"gram-{TIME}.npz" and arrays["rows"] > 128:
            raise OSError("the machine stops")

    clock, add_scores = [0.0], curvature.add_scores

    def ticking(*values: Any, **options: Any) -> Iterator[int]:
        """Writing takes no time, computing does: the state is written after each batch, however busy the machine is."""
        for done in add_scores(*values, **options):
            clock[0] += 1
            yield done

    with monkeypatch.context() as patched:
        patched.setattr("amdiff.stages.spectrum.save_arrays", save)
        patched.setattr("amdiff.stages.spectrum.time", SimpleNamespace(monotonic=lambda: clock[0]))
        patched.setattr(curvature, "add_scores", ticking)
        with pytest.raises(OSError, match="the machine stops"):
            make(artifact, plan, tmp_path / "stopped")
    left = sorted(p.name for p in Store(tmp_path / "stopped").scratch(artifact).iterdir())
    assert left == ["gram-15.npz", "values-2.npz"]
    make(artifact, plan, tmp_path / "stopped")
    assert not Store(tmp_path / "stopped").scratch(artifact).exists()
    for at in (2, TIME):
        name = f"raw/t{at:05d}"
        np.testing.assert_array_equal(
            stored(tmp_path / "stopped", artifact, name), stored(tmp_path / "whole", of(whole, "spectrum")[0], name)
        )


def test_the_page(finished: tuple[Path, Plan]) -> None:
    root, _ = finished
    with (root / "results/tiny/tables/prompts.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(r["candidate"], r["seed"], r["t"]) for r in rows] == [
        (name, seed, t) for name in ("memorized", "generalized") for seed in "34" for t in ("2", "15")
    ]
    assert {r["prompt"]: r["truncated"] for r in rows} == {"a cat": "0", "<b>a dog on the mat of a friend": "1"}
    for row in rows:
        assert 0 < float(row["median"]) <= float(row["mean"]) <= float(row["largest"])
    page = (root / "results/tiny/report.html").read_text()
    assert "<b>a dog" not in page
    assert "Mean singular value" in page
    assert "read only the beginning of these prompts: " in page


def test_lower_precision_gives_the_same_picture(finished: tuple[Path, Plan], pipeline: Path, tmp_path: Path) -> None:
    root, plan = finished
    half = TextToImage(pipeline, read_components(pipeline), weights_variants(pipeline), "float16", torch.device("cpu"))
    artifact = of(plan, "generate")[0]
    drawn = half.draw("a cat", SampleNoise(3, [0]), side=8, scale=SCALE, steps=STEPS)
    assert drawn.dtype == torch.float32
    np.testing.assert_allclose(drawn[0].numpy(), stored(root, artifact, "latent"), rtol=0.01, atol=0.03)


def test_weights_that_are_there_in_half_precision_alone(pipeline: Path, tmp_path: Path) -> None:
    """As a download of the variant leaves them."""
    half = tmp_path / "half"
    shutil.copytree(pipeline, half)
    for part, name in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        path = half / part / f"{name}.safetensors"
        save_file(
            {key: tensor.half() for key, tensor in load_file(path).items()}, half / part / f"{name}.fp16.safetensors"
        )
        path.unlink()
    names = [name for name, _ in pipeline_files(half)]
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in names
    assert "vae/diffusion_pytorch_model.safetensors" in names
    drawn, whole = (text_to_image(p).draw("a cat", SampleNoise(3, [0]), side=8, scale=SCALE, steps=STEPS)
                    for p in (half, pipeline))  # fmt: skip
    np.testing.assert_allclose(drawn.numpy(), whole.numpy(), rtol=0.01, atol=0.03)
    assert not torch.equal(drawn, whole)


def test_v_prediction_is_turned_into_noise(tmp_path: Path) -> None:
    folder = tiny_pipeline(tmp_path / "v", prediction_type="v_prediction")
    model = text_to_image(folder)
    x = torch.from_numpy(SampleNoise(0, [0, 1])((4, 8, 8)))
    t = torch.tensor([TIME, 400])
    prompted, _ = model._pipeline.encode_prompt("a cat", "cpu", 1, True)
    with torch.no_grad():
        v = model._pipeline.unet(x, t, prompted.expand(2, -1, -1)).sample
        found = model.guided("a cat", 1.0)(x, t)
    alpha_bar = model._pipeline.scheduler.alphas_cumprod[t][:, None, None, None]
    torch.testing.assert_close(found, alpha_bar.sqrt() * v + (1 - alpha_bar).sqrt() * x, atol=1e-5, rtol=1e-5)


def planned(raw: dict[str, Any], root: Path) -> dict[str, set[str]]:
    plan = prepare(parse_config(raw), root)
    return {stage: {a.address for a in of(plan, stage)} for stage in ("pipeline", "generate", "spectrum", "prompts")}


def test_what_an_address_covers(pipeline: Path, photo: Path, tmp_path: Path) -> None:
    own, picture = tmp_path / "pipeline", tmp_path / "photo.png"
    shutil.copytree(pipeline, own)
    shutil.copy(photo, picture)
    before = planned(config(own, picture), tmp_path)

    def changed(raw: dict[str, Any]) -> list[str]:
        after = planned(raw, tmp_path)
        return [stage for stage in after if not after[stage] & before[stage]]

    assert changed({**config(own, picture), "runtime": {"latent_batch": 1}}) == []
    assert changed(config(own, picture, spectrum={"times": [2, TIME], "method": "central", "skip": 6})) == ["prompts"]
    assert changed(config(own, picture, spectrum={"times": [2], "method": "central"})) == ["spectrum", "prompts"]
    assert changed(config(own, picture, guidance=2.0)) == ["generate", "spectrum", "prompts"]
    more = config(own, picture, seeds=[3, 4, 5])
    assert before["generate"] < planned(more, tmp_path)["generate"]
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(picture)
    assert changed(config(own, picture)) == ["prompts"]
    shutil.copy(photo, picture)
    edit(own / "scheduler/scheduler_config.json", steps_offset=0)
    assert changed(config(own, picture)) == ["pipeline", "generate", "spectrum", "prompts"]


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("unet/config.json", {"_class_name": "UNet2DModel"}, "a UNet2DConditionModel is needed"),
        ("unet/config.json", {"in_channels": 9}, "9 channels going in and 4 out.*not one for inpainting"),
        ("unet/config.json", {"addition_embed_type": "text_time"}, "conditioned on more than text"),
        ("scheduler/scheduler_config.json", {"beta_schedule": "squaredcos_cap_v2"}, "betas of kind"),
        ("scheduler/scheduler_config.json", {"prediction_type": "sample"}, "predicts 'sample'"),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 10}, "noise levels 0 to 9"),
    ],
)  # fmt: skip
def test_pipelines_that_do_not_fit(
    pipeline: Path, photo: Path, tmp_path: Path, file: str, changes: dict[str, Any], message: str
) -> None:
    own = tmp_path / "pipeline"
    shutil.copytree(pipeline, own)
    edit(own / file, **changes)
    with pytest.raises(ConfigError, match=rf"prompts\.tiny.*{message}"):
        prepare(parse_config(config(own, photo)), tmp_path)


def test_pickled_weights_are_not_read(pipeline: Path, photo: Path, tmp_path: Path) -> None:
    own = tmp_path / "pipeline"
    shutil.copytree(pipeline, own)
    (own / "unet/diffusion_pytorch_model.safetensors").rename(own / "unet/diffusion_pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"holds no unet/diffusion_pytorch_model\.safetensors"):
        prepare(parse_config(config(own, photo)), tmp_path)


def test_files_that_change_in_the_midst(pipeline: Path, photo: Path, tmp_path: Path) -> None:
    own = tmp_path / "pipeline"
    shutil.copytree(pipeline, own)
    plan = prepare(parse_config(config(own, photo)), tmp_path)
    edit(own / "unet/config.json", note="changed")
    with pytest.raises(DataError, match="has changed since this run started"):
        make(of(plan, "pipeline")[0], plan, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pipeline": {"hub": "a/b"}}, "by 'path', or by 'hub' with 'revision'"),
        ({"pipeline": {}}, "by 'path', or by 'hub' with 'revision'"),
        ({"prompts": [{"text": "x", "candidate": "copied"}]}, "memorized"),
        ({"prompts": [{"text": "x", "candidate": "spurious"}] * 2}, "named twice"),
        ({"seeds": [1, 1]}, "distinct"),
        ({"guidance": 0.5}, "greater than or equal to 1"),
        ({"prompts": [{"text": "x", "candidate": "spurious", "image": "nowhere.png"}]}, "nowhere.png"),
    ],
)
def test_mistakes(pipeline: Path, photo: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare(parse_config(config(pipeline, photo, **changes)), tmp_path)


def test_names_do_not_clash(pipeline: Path, photo: Path) -> None:
    raw = config(pipeline, photo)
    raw["prompts"]["pipeline"] = raw["prompts"].pop("tiny")
    with pytest.raises(ConfigError, match="taken by a rule"):
        parse_config(raw)


def test_what_a_pipeline_was_is_recorded(finished: tuple[Path, Plan]) -> None:
    root, plan = finished
    record = read_json(root / of(plan, "pipeline")[0].folder / "pipeline.json")
    assert set(record["sha256"]) >= {"unet/config.json", "vae/diffusion_pytorch_model.safetensors"}
    assert record["components"]["scheduler"]["beta_schedule"] == "scaled_linear"
