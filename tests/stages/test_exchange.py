"""A trained model as a pipeline of diffusers, which samples the same images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from amdiff.errors import ArtifactError
from amdiff.plan import Plan
from amdiff.stages.exchange import export
from tests.conftest import REPO, run_project


def config() -> dict[str, Any]:
    unet = {"kind": "unet", "width": 8, "multipliers": [1, 2], "blocks": 1, "attention_at": [4], "norm_groups": 4}
    shared = {
        "dataset": "digits",
        "sizes": [4],
        "sampling": {"steps": 12, "minimum": 6},
        "thresholds": {"method": "fixed", "delta_m": 1, "delta_s": 1},
        "basin": None, "curvature": None, "energy": None,
    }  # fmt: skip
    training = {"iterations": 30, "batch_size": 4, "learning_rate": 0.003, "ema_decay": 0.5}
    mlp = {"kind": "mlp", "width": 8, "blocks": 1}
    return {
        "datasets": {"digits": {"kind": "digits"}},
        "experiments": {
            "conv": {**shared, "denoiser": unet, "training": training},
            "flat": {**shared, "denoiser": mlp, "training": training},
        },
        "runtime": {"device": "cpu"},
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    root = tmp_path_factory.mktemp("exchange")
    (root / "config.yaml").write_text(yaml.safe_dump(config()))
    return root, run_project(config(), root)


def test_a_pipeline_samples_the_same_images(
    finished: tuple[Path, Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import DDPMPipeline

    from amdiff.diffusion.randomness import SampleNoise
    from amdiff.stages.stored_images import sample_images
    from amdiff.store import Store

    root, plan = finished
    model = plan.experiment("conv").models[0]
    assert model.train is not None
    folder = model.train.folder.as_posix()
    done = subprocess.run(
        [sys.executable, "-m", "amdiff", "export", folder, str(tmp_path / "out")],
        cwd=root, env={"PYTHONPATH": str(REPO), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pipeline = DDPMPipeline.from_pretrained(tmp_path / "out")
    pipeline.set_progress_bar_config(disable=True)
    # diffusers draws one noise for a batch; give it the streams of our samples
    noise = SampleNoise(0, range(6))
    for module in ("pipelines.ddpm.pipeline_ddpm", "schedulers.scheduling_ddpm"):
        monkeypatch.setattr(
            f"diffusers.{module}.randn_tensor", lambda shape, **_: torch.from_numpy(noise(tuple(shape[1:])))
        )
    found = pipeline(batch_size=6, num_inference_steps=12, output_type="np").images
    ours = sample_images(Store(root), model.shards).rows(np.arange(6))
    assert np.abs(np.rint(found.transpose(0, 3, 1, 2) * 255) - ours).max() <= 1
    assert ours.std() > 10


def test_what_is_no_trained_unet_is_refused(finished: tuple[Path, Plan], tmp_path: Path) -> None:
    root, plan = finished
    conv, flat = (plan.experiment(name).models[0] for name in ("conv", "flat"))
    assert conv.train is not None
    assert flat.train is not None
    for artifact, target, message in (
        (conv.shards[0], tmp_path / "new", "is of stage 'sample'; give a trained model"),
        (flat.train, tmp_path / "new", "is a network of kind 'mlp'; only 'unet' can be exported to diffusers"),
        (conv.train, tmp_path, "is there already; give a new folder"),
    ):
        with pytest.raises(ValueError, match=message):
            export(plan, artifact, target, root)
    with pytest.raises(ArtifactError, match="is not made yet"):
        export(plan, conv.train, tmp_path / "new", tmp_path)
