"""Audits of planted samples, as people run them."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from amdiff import __version__ as amdiff_version
from tests import program
from tests.stages.test_convert import pipeline

SHARES = {"memorized": 0.3, "spurious": 0.2, "generalized": 0.5}


class Planted:
    """Digits of 32x32, in four sets that share none, and samples of which 30 % are copies, 20 % come again."""

    def __init__(self, count: int = 800, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        images = (load_digits().images * 255 / 16).round().astype(np.uint8)
        images = np.kron(images[rng.permutation(len(images))], np.ones((4, 4), np.uint8))
        self.train, self.heldout, novel = images[:700], images[700:1000], images[1000:]
        again, once = novel[:20], iter(novel[20:])
        self.classes = rng.choice(list(SHARES), count, p=list(SHARES.values()))
        self.origin = rng.integers(len(self.train), size=count)
        self.jpeg = (self.classes == "memorized") & (rng.random(count) < 0.5)
        twenty = rng.integers(20, size=count)
        drawn = {"memorized": lambda i: self.train[self.origin[i]], "spurious": lambda i: again[twenty[i]]}
        self.samples = [drawn.get(name, lambda _: next(once))(i) for i, name in enumerate(self.classes)]

    def share(self, name: str) -> float:
        return float((self.classes == name).mean())


def save(folder: Path, images: Any, jpeg: Any = ()) -> None:
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        suffix = "jpg" if len(jpeg) and jpeg[i] else "png"
        Image.fromarray(image).save(folder / f"{i:04}.{suffix}", quality=85)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Planted, Path]:
    root, found = tmp_path_factory.mktemp("planted"), Planted()
    save(root / "train/deep", found.train)
    save(root / "heldout", found.heldout)
    save(root / "synthetic", found.samples, found.jpeg)
    save(root / "one", found.samples[:1])
    np.save(root / "rgba.npy", np.zeros((9, 32, 32, 4), np.uint8))
    np.savez(root / "whole.npz", found.train)
    (root / "cut.npz").write_bytes((root / "whole.npz").read_bytes()[:2000])
    return found, root


def amdiff(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return program.amdiff(cwd, "audit", *arguments)


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())


def test_planted_shares_are_found_in_folders(planted: tuple[Planted, Path], tmp_path: Path) -> None:
    truth, root = planted
    arguments = ("--train", f"{root}/train", "--synthetic", f"{root}/synthetic", "--heldout", f"{root}/heldout")
    done = amdiff(tmp_path, *arguments, "--out", "out", "--fail-above", "0.1")
    assert done.returncode == 1, done.stderr
    assert "verdict: failed: the share of memorized samples is above 0.1 at 95 % confidence" in done.stdout
    found = summary(tmp_path / "out")
    assert (found["n_train"], found["n_synthetic"], found["metric"], found["heldout"]) == (700, 800, "pixels", True)
    for name in SHARES:
        assert found[name]["fraction"] == pytest.approx(truth.share(name), abs=0.02)
        assert found[name]["low"] <= truth.share(name) <= found[name]["high"]
        # the thresholds' errors only widen an interval
        assert found[name]["low"] <= found[name]["low_given_thresholds"]
        assert found[name]["high"] >= found[name]["high_given_thresholds"]
    assert found["thresholds"]["delta_m"].keys() == {"value", "low", "high", "method", "note"}
    assert found["thresholds"]["delta_m"]["value"] == found["delta_m"]
    assert found["peers"]["copies"]["ratio_second"]["share"] == pytest.approx(truth.share("memorized"), abs=0.05)
    assert found["version"] == amdiff_version
    assert found["verdict"]["outcome"] == "failed"
    assert found["metrics"].keys() == {"pixels", "stlpips-alex"}
    assert found["suspected"]["fraction"] >= found["memorized"]["fraction"]
    with (tmp_path / "out/candidates.csv").open() as stream:
        candidates = list(csv.DictReader(stream))
    assert [int(row["rank"]) for row in candidates] == list(range(1, 801))
    ratios = [float(row["ratio"]) for row in candidates]
    assert ratios == sorted(ratios)
    suspected = [row for row in candidates if row["suspected_by"]]
    assert len(suspected) == round(800 * found["suspected"]["fraction"])
    assert {row["suspected_by"] for row in suspected} <= {"pixels", "stlpips-alex", "pixels+stlpips-alex"}
    assert candidates[0]["pixels_train_file"].startswith("deep/")
    table = pq.read_table(tmp_path / "out/audited.parquet").to_pydict()
    assert (np.array(table["class"]) == truth.classes).mean() > 0.98
    with (tmp_path / "out/copies.csv").open() as stream:
        copies = list(csv.DictReader(stream))
    by_file = {row["file"].split(".")[0]: row for row in copies}
    for i in np.flatnonzero(truth.classes == "memorized"):
        assert by_file[f"{i:04}"]["train_file_1"] == f"deep/{truth.origin[i]:04}.png"
    assert [float(row["train_distance_1"]) for row in copies] == sorted(float(r["train_distance_1"]) for r in copies)
    page = (tmp_path / "out/report.html").read_text()
    assert "not authentic (Alaa et al. 2022)" in page
    assert '<p class="verdict failed">Failed: the share of memorized samples is above 0.1' in page
    assert "The 10 pairs that look most like copies" in page
    assert page.count('<div class="two">') == 10
    assert page.index("What was compared") < page.index("Limits") < page.index('id="browse"')
    assert "copies that are mirrored, cropped or recoloured may be missed" in page
    for foreign in ("The three phases", "learning_rate", "iterations:"):  # there is one K, and nothing was trained
        assert foreign not in page
    # copies are copies by the other measures, and samples lie nearer than held-out images do
    memorized = np.array(table["class"]) == "memorized"
    assert (np.array(table["ratio_second"])[memorized] < 1 / 3).mean() > 0.9
    assert not np.array(table["authentic"])[memorized].any()
    (others,) = (tmp_path / "out/work").glob("artifacts/train/peers/*/peers.json")
    found = json.loads(others.read_text())
    assert found["copies"]["ratio_second"]["both"] + found["copies"]["ratio_second"]["ours_only"] == memorized.sum()
    assert found["c_t"]["value"] < -3

    # asked again, all is there; a gate may be passed, or be too near to tell
    for limit, status, word in (("0.5", 0, "passed"), (f"{truth.share('memorized'):.3f}", 3, "undecided")):
        again = amdiff(tmp_path, *arguments, "--out", "out", "--fail-above", limit)
        assert again.returncode == status
        assert again.stderr == ""
        assert f"verdict: {word}" in again.stdout.splitlines()[-1]
        assert summary(tmp_path / "out")["verdict"]["exit_status"] == status


def test_arrays_without_held_out_images(planted: tuple[Planted, Path], tmp_path: Path) -> None:
    """Training images stand for real ones; what that costs is said. Nothing decides but the images."""
    truth, _ = planted
    np.save(tmp_path / "train.npy", truth.train)
    with h5py.File(tmp_path / "synthetic.h5", "w") as file:
        file["samples"] = np.stack(truth.samples)[:, :, :, None] / np.float32(255)
    done = amdiff(tmp_path, "--train", "train.npy", "--synthetic", "synthetic.h5")
    assert done.returncode == 2
    assert "synthetic.h5" in done.stderr
    assert "float32: state the values that mean black and white" in done.stderr
    done = amdiff(tmp_path, "--train", "train.npy", "--synthetic", "synthetic.h5", "--values", "0", "1")
    assert done.returncode == 0, done.stderr
    found = summary(tmp_path / "audit")
    assert not found["heldout"]
    for name in SHARES:
        assert found[name]["fraction"] == pytest.approx(truth.share(name), abs=0.02)
    assert "No held-out images were given" in (tmp_path / "audit/report.html").read_text()
    (others,) = (tmp_path / "audit/work").glob("artifacts/train/peers/*/peers.json")
    assert json.loads(others.read_text())["c_t"] is None


def test_folders_and_arrays_mix(planted: tuple[Planted, Path], tmp_path: Path) -> None:
    """Gray arrays and folders in colour: compared in gray; names that are long or odd are kept whole."""
    truth, _ = planted
    deep = "ü" * 120
    (tmp_path / "train" / deep).mkdir(parents=True)
    for i, image in enumerate(truth.train[:60]):
        Image.fromarray(image).convert("RGB").save(tmp_path / f"train/{deep}/{deep}{i:03}.png")
    np.savez(tmp_path / "samples.npz", images=np.stack(truth.samples[:50]), labels=np.zeros(50))
    arguments = ("--train", "train", "--synthetic", "samples.npz")
    done = amdiff(tmp_path, *arguments)
    assert done.returncode == 2
    assert "holds the arrays images, labels; choose one by 'key'" in done.stderr
    done = amdiff(tmp_path, *arguments, "--key", "labels")
    assert done.returncode == 2
    assert "its array has the shape (50,); expected (N, H, W)" in done.stderr
    done = amdiff(tmp_path, *arguments, "--key", "images")
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "audit/audited.parquet")
    note = "pictures in colour are compared in gray, since --synthetic samples.npz is gray: --train train"
    assert note in summary(tmp_path / "audit")["notes"]
    assert table["train_file_1"][0].as_py() == f"{deep}/{deep}{table['train_neighbor_1'][0].as_py():03}.png"
    np.save(tmp_path / "heldout.npy", truth.heldout)
    done = amdiff(tmp_path, *arguments, "--key", "images", "--heldout", "heldout.npy")
    assert "give held-out images in the form of the training images" in done.stderr


def test_a_pipeline_samples_for_itself(planted: tuple[Planted, Path], tmp_path: Path) -> None:
    truth, _ = planted
    save(tmp_path / "train", truth.train[:60])
    pipeline(tmp_path / "model", {"num_train_timesteps": 20, "beta_end": 0.3})
    arguments = ("--train", "train", "--synthetic", "model", "--samples", "40")
    done = amdiff(tmp_path, *arguments)
    assert done.returncode == 2
    assert "is for images of 8x8, the dataset's are 32x32" in done.stderr
    done = amdiff(tmp_path, *arguments, "--resize", "8")
    assert done.returncode == 0, done.stderr
    found = summary(tmp_path / "audit")
    assert (found["n_train"], found["n_synthetic"], found["heldout"]) == (60, 40, False)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "0-empty.png").write_bytes(b""), "0-empty.png cannot be read as an image"),
        (lambda f: (f / "0-text.png").write_text("hello"), "0-text.png cannot be read as an image"),
        (lambda f: Image.fromarray(np.zeros((32, 32), np.uint16)).save(f / "x16.png"), "x16.png has I;16 pixels"),
        (
            lambda f: Image.new("L", (32, 32)).save(
                f / "moves.gif", save_all=True, append_images=[Image.new("L", (32, 32), 255)]
            ),
            "moves.gif is animated, 2 pictures in one file",
        ),
        (
            lambda f: Image.new("L", (30, 30)).save(f / "odd.png"),
            "30x30, but train/0000.png is 32x32; set resize",
        ),
    ],
)
def test_images_that_cannot_be_used_are_refused_by_name(
    planted: tuple[Planted, Path], tmp_path: Path, spoil: Any, message: str
) -> None:
    truth, root = planted
    save(tmp_path / "train", truth.train[:30])
    spoil(tmp_path / "train")
    done = amdiff(tmp_path, "--train", "train", "--synthetic", f"{root}/synthetic")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_cmyk_is_converted_and_links_in_circles_are_passed_over(planted: tuple[Planted, Path], tmp_path: Path) -> None:
    truth, _ = planted
    save(tmp_path / "train", truth.train[:40])
    (tmp_path / "train/0000.png").unlink()
    Image.fromarray(truth.train[0]).convert("CMYK").save(tmp_path / "train/0000.jpg", quality=95)
    (tmp_path / "train/loop").symlink_to(tmp_path / "train")
    save(tmp_path / "synthetic", truth.samples[:60])
    done = amdiff(tmp_path, "--train", "train", "--synthetic", "synthetic")
    assert done.returncode == 0, done.stderr
    assert summary(tmp_path / "audit")["n_train"] == 40


def test_a_gray_picture_among_coloured_ones(planted: tuple[Planted, Path], tmp_path: Path) -> None:
    """Colour counts unless all are gray: copies in other colours are no copies."""
    truth, _ = planted
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (60, 32, 32, 3), np.uint8)
    save(tmp_path / "train", [truth.train[0], *colour])
    gray = [Image.fromarray(image).convert("L").convert("RGB") for image in colour[:30]]
    save(tmp_path / "synthetic", [np.asarray(image) for image in gray])
    done = amdiff(tmp_path, "--train", "train", "--synthetic", "synthetic")
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "audit/audited.parquet")
    assert min(table["train_distance_1"].to_pylist()) > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--train", "nowhere", "--synthetic", "nowhere"), "nowhere"),
        (("--train", "{}/train", "--synthetic", "{}/synthetic", "--fail-above", "30"), "expected a share from 0 to 1"),
        (("--train", "{}/train", "--synthetic", "{}/synthetic", "--metric", "ssim"), "ssim"),
        (("--train", "{}", "--synthetic", "{}/synthetic"), "overlap"),
        (("--train", "{}/train", "--synthetic", "{}/synthetic", "--heldout", "{}/train/deep"), "overlap"),
        (("--train", "{}/train", "--synthetic", "{}/synthetic", "--out", "{}/train/out"), "overlap"),
        (("--train", "{}/train", "--synthetic", "{}/synthetic", "--values", "0", "1"), "but there are none; leave"),
        (("--train", "{}/train", "--synthetic", "{}/synthetic", "--key", "x"), "no side is such a file; leave"),
        (("--train", "{}/train", "--synthetic", "{}/synthetic", "--samples", "9"), "is for a pipeline, which draws"),
        (("--train", "{}/train", "--synthetic", "{}/one"), "holds one sample"),
        (("--train", "{}/cut.npz", "--synthetic", "{}/synthetic"), "cut.npz: cannot be read"),
        (("--train", "{}/rgba.npy", "--synthetic", "{}/synthetic"), "leave out alpha"),
        (("--train", "{}/train", "--synthetic", "{}/synthetic", "--heldout", "{}/one"), "give more of them, or none"),
    ],
)
def test_wrong_arguments_are_refused_before_any_work(
    planted: tuple[Planted, Path], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = amdiff(tmp_path, *(a.format(planted[1]) for a in arguments))
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr
