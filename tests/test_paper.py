"""The paper's configuration: its settings are those of the method, and it plans quickly."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from amdiff.commands.paper import paper
from amdiff.config import ExperimentSpec, GridSpec, UnetDenoiser, read_config
from amdiff.diffusion.denoisers import count_parameters
from amdiff.figures.paper import counterparts
from amdiff.plan import build_plan
from tests.conftest import REPO, SMALL, run_project

PAPER = REPO / "workflow/config/paper.yaml"
SHAPES = {"mnist": (1, 28, 28), "fashion-mnist": (1, 28, 28), "cifar10": (3, 32, 32), "lsun-church": (3, 64, 64)}

#  name: dataset, A, B, N, parameters, iterations, batch, dropout
TABLES = {
    "mnist": ("mnist", 4000, 32000, 60000, 24_515_585, 400_000, 128, 0.1),
    "fashion-mnist": ("fashion-mnist", 4000, 16000, 60000, 24_515_585, 400_000, 128, 0.1),
    "cifar10-64": ("cifar10", 500, 8000, 50000, 8_952_067, 500_000, 128, 0.1),
    "cifar10-96": ("cifar10", 2000, 16000, 50000, 20_118_915, 500_000, 128, 0.1),
    "cifar10-128": ("cifar10", 2000, 16000, 50000, 35_746_307, 500_000, 128, 0.1),
    "cifar10-128-8k": ("cifar10", 2000, 16000, 50000, 35_746_307, 500_000, 128, 0.1),
    "church-64": ("lsun-church", 1000, 8000, 126227, 27_460_355, 800_000, 64, 0.0),
    "church-96": ("lsun-church", 2000, 16000, 126227, 61_745_283, 800_000, 64, 0.0),
    "church-128": ("lsun-church", 4000, 16000, 126227, 109_733_379, 800_000, 64, 0.0),
}


@pytest.mark.parametrize("name", TABLES)
def test_settings_are_the_papers(name: str) -> None:
    spec = read_config(PAPER).experiments[name]
    assert isinstance(spec, ExperimentSpec)
    assert isinstance(spec.sizes, GridSpec)
    assert isinstance(spec.denoiser, UnetDenoiser)
    dataset, a, b, n, parameters, iterations, batch, dropout = TABLES[name]
    assert (spec.dataset, spec.sizes.fall, spec.sizes.plateau, spec.sizes.largest) == (dataset, a, b, n)
    assert len(spec.first_sizes) == 38
    assert count_parameters(spec.denoiser, SHAPES[dataset], 1000) == parameters
    training = spec.training
    assert (training.iterations, training.batch_size, spec.denoiser.dropout) == (iterations, batch, dropout)
    assert (training.learning_rate, training.ema_decay, training.clip_norm) == (2e-4, 0.9999, 1.0)
    assert (training.cap_batch, training.schedule, training.warmup, training.ema_warmup) == (True, "constant", 0, False)
    assert (spec.diffusion.steps, spec.diffusion.beta_start, spec.diffusion.beta_end) == (1000, 1e-4, 0.02)
    assert (spec.sampling.sampler, spec.sampling.steps, spec.sampling.clip) == ("ddpm", None, True)
    assert spec.sampling.samples_for(1000) == (8000 if name.endswith("8k") else 4000)
    assert (spec.subset_seed, spec.neighbors.k) == (3407, 5)
    assert spec.neighbors.metric == ("pixels" if SHAPES[dataset][0] == 1 else "lpips-alex")
    if not name.endswith("8k"):
        assert spec.basin is not None
        assert (spec.basin.metric, spec.basin.delta) == ("lpips-vgg", 0.1 if SHAPES[dataset][0] == 1 else "delta_m")
        assert (spec.basin.copies, spec.basin.steps, spec.basin.stride, spec.basin.probability) == (10, 20, 25, 0.9)


def test_twice_the_samples_share_models_and_samples() -> None:
    plan = build_plan(read_config(PAPER))
    less, more = (plan.experiment(name) for name in ("cifar10-128", "cifar10-128-8k"))
    for a, b in zip(less.models, more.models, strict=True):
        assert a.train == b.train
        assert b.shards[: len(a.shards)] == a.shards
        assert b.samples == 2 * a.samples
    trained = {a.address for a in plan.by_folder.values() if a.stage == "train"}
    assert len(trained) == 8 * 38 + 3  # and the circle's


def test_all_of_it_is_planned_and_its_cost_is_said() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--configfile", str(PAPER)],
        cwd=REPO, check=True, capture_output=True, text=True,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert re.search(r"note: this takes about [\d,]+ hours of .*; training of church-128 takes \d+% of it", said)
    trained = re.search(r"^train +(\d+)$", said, re.MULTILINE)
    assert trained is not None
    assert int(trained[1]) > 8 * 20  # the sparse sweeps and the circle; the rest follows from these


def test_the_page_sets_ours_beside_theirs(tmp_path: Path) -> None:
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"] |= {"curvature": None, "energy": None}
    config["experiments"]["other"] = {**copy.deepcopy(config["experiments"]["tiny"]), "sizes": [8]}
    config["comparisons"] = {"sizes": {"experiments": ["tiny", "other"]}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    everything = copy.deepcopy(config)
    del everything["experiments"]["other"], everything["comparisons"]
    run_project(everything, tmp_path)
    text = paper(tmp_path / "c.yaml", tmp_path).read_text()
    assert "1 of 3 pages" in text
    assert '<img src="tiny/figures/log_volume.svg"' in text
    assert "other has not run: <code>snakemake --cores all --configfile" in text
    assert "sizes has not run" in text
    for nothing in (
        "Energy landscapes of the circle",
        "Curvature of text-to-image models",
        "Curvature spectra by class",
    ):
        section = text.split(nothing)[1].split("</section>")[0]
        assert "Nothing in this configuration shows it." in section
    for path in re.findall(r'(?:src|href)="([^"]+)"', text):
        assert (tmp_path / "results" / path).exists()


def test_every_figure_of_the_paper_has_a_counterpart() -> None:
    found = counterparts()
    numbers = [theirs.number for theirs in found]
    assert numbers == [
        "Figures 1B, 13-15", "Figure 2", "Figures 3, 10-12", "Figure 4A", "Figures 4B, 16-17", "Figures 5A, 20-23",
        "Figures 5B, 24", "Figures 6, 26", "Figures 7-9", "Figures 18-19", "Figures 27-30", "Table 1", "Table 2",
        "Table 3",
    ]  # fmt: skip
    figures = [
        ["panel_memorized", "panel_spurious", "panel_generalized"], ["landscape"], ["distances"], ["fractions"],
        ["log_volume"], ["spectra", "spectra_train"], ["prompt_spectra"], ["energy_gap"], ["comparison", "capacity"],
        ["critical_time"], ["energy_references"],
    ]  # fmt: skip
    tables = ["transitions", "thresholds", "configurations"]
    assert [[path for _, path in theirs.files] for theirs in found] == [
        *([f"figures/{name}.svg" for name in names] for names in figures),
        *([f"tables/{name}.csv"] for name in tables),
    ]
