"""The page "Extending amdiff": each diff applies, touches as few files as the page says, and what it adds works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPO

PAGE = (REPO / "docs/extending.md").read_text()
GOALS = {name: int(most) for name, most in re.findall(r"^\| \[(\w+)\]\(#[\w-]+\) \| (\d) \|", PAGE, re.MULTILINE)}
DIFFS = {
    re.sub(r"^an? ", "", title.lower()): diff
    for title, diff in re.findall(r"^## (An? \w+)\n.*?```diff\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
}
CONFIGURATION = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[-1]


def tree(root: Path) -> Path:
    """A copy of what is tracked and of what is new."""
    wanted = ("amdiff", "tests", "config.yaml", "workflow")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *wanted],
        cwd=REPO, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (REPO / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, root / name)
    return root


def apply(diff: str, root: Path) -> None:
    done = subprocess.run(["git", "apply", "-"], cwd=root, input=diff, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def python(root: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program with all of them."""
    root = tree(tmp_path_factory.mktemp("extended"))
    for diff in DIFFS.values():
        apply(diff, root)
    return root


def test_every_kind_is_added() -> None:
    assert DIFFS.keys() == GOALS.keys() == {"metric", "denoiser", "sampler", "dataset", "analysis", "figure"}


@pytest.mark.parametrize("name", GOALS)
def test_a_diff_applies_alone_and_touches_few_files(name: str, tmp_path: Path) -> None:
    touched = re.findall(r"^diff --git a/(\S+) b/\1$", DIFFS[name], re.MULTILINE)
    assert len(touched) <= GOALS[name]
    assert all(path.startswith("amdiff/") for path in touched)
    apply(DIFFS[name], tree(tmp_path))


def test_the_extended_program_is_as_clean_as_ours(extended: Path) -> None:
    shutil.copy(REPO / "pyproject.toml", extended)
    python(extended, "-m", "ruff", "check", "amdiff")
    python(extended, "-m", "ruff", "format", "--check", "amdiff")


def test_no_address_changes_but_of_pages_with_a_new_figure(extended: Path) -> None:
    before = json.loads((REPO / "tests/frozen/addresses.json").read_text())
    after = json.loads(python(extended, "-m", "tests.addresses"))
    assert before.keys() == after.keys()
    for name in before:
        changed = {key for key, found in before[name].items() if after[name][key] != found}
        drawn = {key for key in before[name] if key.endswith(("/report", "/comparison"))}
        on_circles = {key for key in before[name] if key.startswith(("circle/", "smoke-circle/"))}
        assert before[name].keys() == after[name].keys()
        assert changed == drawn - on_circles  # the figure's section is not on pages of the circle


def test_all_of_them_at_work(extended: Path) -> None:
    """The configuration of the page, made and published."""
    assert yaml.safe_load(CONFIGURATION)["experiments"].keys() == {"new"}
    (extended / "new.yaml").write_text(CONFIGURATION)
    python(extended, "-c", """
from pathlib import Path
from amdiff.project import open_plan
from amdiff.stages import make
from amdiff.stages.publication import publish
plan = open_plan(Path("new.yaml"))
for artifact in plan.by_folder.values():
    make(artifact, plan)
for page in plan.pages:
    publish(page)
""")  # fmt: skip
    results = extended / "results/new"
    for name in ("denoising_error", "occupancy"):
        assert (results / f"figures/{name}.svg").stat().st_size > 1000
    header, *rows = (results / "tables/denoising.csv").read_text().splitlines()
    assert header == "K,class,t,error,error_low,error_high"
    assert {row.split(",")[1] for row in rows} >= {"train"}
    page = (results / "report.html").read_text()
    assert "convolutions, 8 channels, 1 blocks; 300 training steps" in page
    assert "Error of the predicted noise" in page


CHECKS = """
import numpy as np, torch
from torch.utils.flop_counter import FlopCounterMode
from amdiff.config.networks import ConvDenoiser
from amdiff.config.datasets import BlobsDataset
from amdiff.data.datasets import load, peek
from amdiff.diffusion import Gaussian, SampleNoise, Schedule, ddim_steps, draw
from amdiff.diffusion.denoisers import build_network
from amdiff.diffusion.samplers import heun_steps
from amdiff.landscape.basins import pair_distance
from amdiff.landscape.denoising import denoising_errors
from amdiff.neighbors import embed, nearest_neighbors

rng = np.random.default_rng(0)
# the metric: searched, and pair by pair
images = rng.integers(0, 256, (30, 1, 6, 5), dtype=np.uint8)
set_ = embed(images, "edges")
table = nearest_neighbors(set_, set_, 3)
x = torch.from_numpy(images).float() / 127.5 - 1
pairs = pair_distance("edges", {})(x, x[table.index[:, 0]])
assert np.allclose(table.distance[:, 0], pairs.numpy(), rtol=1e-5)
down, right = x.diff(dim=2).flatten(1), x.diff(dim=3).flatten(1)
square = torch.cdist(down, down).square() + torch.cdist(right, right).square()
assert np.allclose(square.fill_diagonal_(torch.inf).min(dim=1).values.sqrt(), table.distance[:, 0], rtol=1e-3)

# the denoiser: its arithmetic is what torch counts
spec = ConvDenoiser(kind="conv", width=8, blocks=2)
network = build_network(spec, (1, 8, 8), 1000, torch.Generator().manual_seed(0))
with torch.no_grad(), FlopCounterMode(display=False) as counter:
    network(torch.zeros(1, 1, 8, 8), torch.zeros(1, dtype=torch.long))
assert counter.get_total_flops() == spec.flops((1, 8, 8)), (counter.get_total_flops(), spec.flops((1, 8, 8)))

# the sampler: of second order on a Gaussian, whose flow is known
schedule = Schedule.linear()
scale = torch.tensor([0.5, 0.05])
model = Gaussian(torch.zeros(2), torch.diag(scale.square()), schedule)
start = SampleNoise(0, range(50))((2,))
signal, sigma = float(schedule.alpha_bar[-1]) ** 0.5, float(schedule.sigma[-1])
exact = torch.from_numpy(start) * scale / (signal**2 * scale**2 + sigma**2).sqrt()
def error(steps):
    drawn = draw(model, steps, SampleNoise(0, range(50)), (2,), clip=False)
    return float((drawn - exact).norm() / exact.norm())
few, more = error(heun_steps(schedule, 50)), error(heun_steps(schedule, 100))
assert more < few / 2.5, (few, more)
assert more < error(ddim_steps(schedule, 200)), (more, error(ddim_steps(schedule, 200)))

# the dataset: as many images of the shape that it says
blobs = BlobsDataset(kind="blobs", count=40, side=8)
assert load(blobs).images.shape == (40, 1, 8, 8)
assert peek(blobs) == (40, 0, (1, 8, 8))

# the analysis: a Gaussian's error is known, sigma^2-weighted shares of what cannot be told from noise
data = torch.randn(4000, 1, generator=torch.Generator().manual_seed(1)) * 0.5
noise = torch.randn(4000, 1, generator=torch.Generator().manual_seed(2))
found = denoising_errors(Gaussian(torch.zeros(1), torch.tensor([[0.25]]), schedule), data, noise, schedule, [300])
a = float(schedule.alpha_bar[300])
assert abs(float(found.mean()) - a * 0.25 / (a * 0.25 + 1 - a)) < 0.03
print("all hold")
"""


def test_what_was_added_is_right(extended: Path) -> None:
    assert python(extended, "-c", CHECKS) == "all hold\n"
