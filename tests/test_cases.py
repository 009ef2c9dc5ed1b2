"""Audits of inputs as people have them: what is planted is found, or refused, and what was left out is said.

Half of the samples are near copies of training images, so the memorized share is 0.5 and each copy has its original.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.io import savemat

from amdiff.cli import app
from amdiff.commands.audit_sides import SideOptions, form_of
from amdiff.stages.context import Context

SIDE, COPIES = 16, 30


@pytest.fixture(scope="module")
def planted() -> dict[str, np.ndarray]:
    """Smooth colour pictures (N, H, W, 3): 100 to train on, 60 held out, 60 samples, the first 30 of them copies."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (190, 5, 5, 3), np.uint8)
    size = (SIDE, SIDE)
    every = np.stack([np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BICUBIC)) for one in small])
    train, heldout, new = every[:100], every[100:160], every[160:]
    noisy = train[:COPIES].astype(int) + rng.integers(-3, 4, (COPIES, SIDE, SIDE, 3))
    return {
        "train": train,
        "heldout": heldout,
        "samples": np.concatenate([np.clip(noisy, 0, 255).astype(np.uint8), new]),
    }


def save(folder: Path, images: Any, suffix: str = ".png", **how: Any) -> None:
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(np.asarray(image)).save(folder / f"{i:04}{suffix}", **how)


def draw_nothing(context: Context, folder: Path, figures: Any) -> dict[str, Any]:
    """In place of a report's figures."""
    context.facts["shown"] = []
    return {}


class Case:
    """Sides written by a test, and the audit of them."""

    def __init__(self, root: Path, planted: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.planted = root, planted
        monkeypatch.chdir(root)
        # numbers are tried here; test_audit.py draws figures
        monkeypatch.setattr("amdiff.stages.report.write_figures", draw_nothing)

    def folders(self, *names: str) -> None:
        for name in names:
            save(self.root / name, self.planted[name])

    def audit(self, *options: str, **sides: str) -> dict[str, Any]:
        """The summary of an audit by pixels, which has to pass without an error."""
        named = {"train": "train", "synthetic": "samples", "heldout": "heldout", **sides}
        arguments = [part for side, path in named.items() if path for part in (f"--{side}", path)]
        assert not app(["audit", *arguments, "--metric", "pixels", "--out", "out", *options], standalone_mode=False)
        return json.loads((self.root / "out/summary.json").read_text())

    def right(self, summary: dict[str, Any]) -> bool:
        """Whether exactly the planted copies are found, each with its original."""
        with (self.root / "out/copies.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        found = {(int(row["index"]), int(row["train_neighbor_1"])) for row in rows}
        return summary["memorized"]["fraction"] == 0.5 and found == {(i, i) for i in range(COPIES)}


@pytest.fixture
def case(tmp_path: Path, planted: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(tmp_path, planted, monkeypatch)


def said(summary: dict[str, Any], words: str) -> bool:
    return any(words in note for note in summary["notes"])


def test_phones_that_turn_by_a_tag(case: Case) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("train", "heldout"):
        lying = [np.asarray(Image.fromarray(i).transpose(Image.Transpose.ROTATE_90)) for i in case.planted[name]]
        save(case.root / name, lying, ".jpg", quality=98, subsampling=0, exif=exif)
    case.folders("samples")
    summary = case.audit()
    assert case.right(summary)
    assert said(summary, "160 pictures turned as the orientation tag says")


def test_stickers_with_colour_hidden_under_transparent_pixels(case: Case) -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    inside = (y - 8) ** 2 + (x - 8) ** 2 < 50
    rng = np.random.default_rng(5)
    alpha = np.where(inside, 255, 0).astype(np.uint8)
    for name in ("train", "heldout"):
        hidden = [np.where(inside[..., None], i, rng.integers(0, 256, 3)).astype(np.uint8) for i in case.planted[name]]
        save(case.root / name, [np.dstack([i, alpha]) for i in hidden])
    save(case.root / "samples", [np.where(inside[..., None], i, 0).astype(np.uint8) for i in case.planted["samples"]])
    assert case.right(summary := case.audit("--background", "black"))
    assert said(summary, "160 pictures with transparent pixels put on black")
    assert not case.right(case.audit())  # on white they look otherwise, and it is said
    with pytest.raises(ValueError, match="a background is a colour's name"):
        case.audit("--background", "nocolour")


@pytest.mark.parametrize(
    "place", [".ipynb_checkpoints/{}", "@eaDir/{}/SYNOPHOTO_THUMB.png", "__MACOSX/{}", "._{}", "sub/.cache/{}"]
)
def test_what_programs_keep_beside_pictures(case: Case, place: str) -> None:
    case.folders("train", "heldout", "samples")
    for i in range(COPIES, 50):
        path = case.root / "samples" / place.format(f"{i:04}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((case.root / f"samples/{i:04}.png").read_bytes())
    summary = case.audit()
    assert case.right(summary)
    assert summary["n_synthetic"] == 60
    assert sum("passed over: 20 " in note for note in summary["notes"]) == 1


def test_suffixes_of_browsers_and_of_nobody(case: Case) -> None:
    case.folders("heldout", "samples")
    save(case.root / "train", case.planted["train"][:50])
    for i, image in enumerate(case.planted["train"][50:], 50):
        Image.fromarray(image).save(case.root / f"train/{i:04}.jfif", "JPEG", quality=98)
        (case.root / f"train/{i:04}.xmp").touch()
    summary = case.audit()
    assert case.right(summary)
    assert summary["n_train"] == 100
    assert said(summary, "Dataset train: passed over: 50 .xmp")


def test_a_cameras_picture_with_a_preview(case: Case) -> None:
    case.folders("heldout", "samples")
    save(case.root / "train", case.planted["train"], ".jpg", quality=98, subsampling=0)
    first = Image.fromarray(case.planted["train"][7])
    extra = [first.resize((8, 8))]
    first.save(case.root / "train/0007.jpg", "MPO", save_all=True, append_images=extra, quality=98, subsampling=0)
    summary = case.audit()
    assert case.right(summary)
    assert said(summary, "1 picture with previews or layers")


def test_files_that_cannot_be_read(case: Case) -> None:
    case.folders("train", "heldout", "samples")
    for i in (40, 50):
        (case.root / f"samples/{i:04}.png").write_bytes(b"<html>404</html>")
    with pytest.raises(ValueError, match=r"2 pictures cannot be used: samples/0040\.png .*; samples/0050\.png"):
        case.audit()
    summary = case.audit("--skip-unreadable")
    assert summary["n_synthetic"] == 58
    assert said(summary, "left out: 2 pictures that cannot be read, samples/0040.png, samples/0050.png")


# -- numbers ----------------------------------------------------------------------------------


def chw(images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 3, 1, 2)


def test_sides_in_two_ranges(case: Case) -> None:
    for name in ("train", "heldout"):
        np.save(case.root / f"{name}.npy", chw(case.planted[name]) / np.float32(255))
    np.save(case.root / "samples.npy", chw(case.planted["samples"]) / np.float32(127.5) - 1)
    sides = {"train": "train.npy", "heldout": "heldout.npy", "synthetic": "samples.npy"}
    with pytest.raises(ValueError, match=r"leaves half of the range unused: --train train\.npy runs from 0 to 1"):
        case.audit("--values", "-1", "1", **sides)
    alike = {**sides, "synthetic": "heldout.npy", "heldout": ""}  # all sides by the same mistake
    assert said(case.audit("--values", "-1", "1", **alike), "values run from 0 to 1, and the stated range is [-1, 1]")
    with pytest.raises(ValueError, match=r"outside the stated range \[0, 1\]"):
        case.audit("--values", "0", "1", **sides)
    stated = ("--train-values", "0", "1", "--heldout-values", "0", "1", "--synthetic-values", "-1", "1")
    assert case.right(case.audit(*stated, **sides))
    assert case.right(case.audit("--values", "0", "1", "--synthetic-values", "-1", "1", **sides))
    # who insists is believed, and told what it means
    insisted = ("--values", "-1", "1", "--train-values", "-1", "1", "--heldout-values", "-1", "1")
    summary = case.audit(*insisted, **sides)
    assert said(summary, "values run from 0 to 1, and the stated range is [-1, 1]")
    assert said(summary, "times as widely as those of train")


def test_uint8_of_zeros_and_ones(case: Case) -> None:
    binary = {name: (images[..., 0] > 127).astype(np.uint8) for name, images in case.planted.items()}
    binary["samples"][:COPIES] = binary["train"][:COPIES]
    for name in ("train", "heldout"):
        np.savez(case.root / f"{name}.npz", imgs=binary[name], factors=np.zeros((len(binary[name]), 6)))
    save(case.root / "samples", binary["samples"] * 255)
    sides = {"train": "train.npz::imgs", "heldout": "heldout.npz::imgs"}
    with pytest.raises(ValueError, match=r"uint8 and values run from 0 to 1, where 255 means white"):
        case.audit(**sides)
    for options in (("--values", "0", "1"), ("--train-values", "0", "1", "--heldout-values", "0", "1")):
        assert case.right(case.audit(*options, **sides))


def test_splits_of_one_file(case: Case) -> None:
    np.savez(case.root / "all.npz", **case.planted)
    sides = {"train": "all.npz::train", "heldout": "all.npz::heldout", "synthetic": "all.npz::samples"}
    assert case.right(case.audit(**sides))
    with pytest.raises(ValueError, match="overlap"):
        case.audit(**{**sides, "heldout": "all.npz::train"})
    with pytest.raises(ValueError, match=r"no array 'sample'; there are: train, heldout, samples"):
        case.audit(**{**sides, "synthetic": "all.npz::sample"})


@pytest.mark.parametrize("old", [True, False])
def test_matlabs_axes(case: Case, old: bool) -> None:
    for name in ("train", "heldout"):
        shown = case.planted[name].transpose(1, 2, 3, 0)
        if old:
            savemat(case.root / f"{name}.mat", {"X": shown, "y": np.zeros(3)})
        else:
            with h5py.File(case.root / f"{name}.mat", "w") as file:
                file["X"] = shown.transpose()
                file["X"].attrs["MATLAB_class"] = np.bytes_("uint8")
    case.folders("samples")
    summary = case.audit("--key", "X", train="train.mat", heldout="heldout.mat")
    assert case.right(summary)
    assert said(
        summary, "--train train.mat: its shape (16, 16, 3, 100) is read as (H, W, C, N), MATLAB's order of axes"
    )


def test_arrays_whose_axes_may_mean_something_else(case: Case) -> None:
    """Images that are not square, in MATLAB's order: expected in its own files, elsewhere what was read is said."""
    gray = {name: images[:, :12, :, 0] for name, images in case.planted.items()}
    for name in ("train", "heldout", "samples"):
        savemat(case.root / f"{name}.mat", {"X": gray[name].transpose(1, 2, 0)})
    sides = {"train": "train.mat", "heldout": "heldout.mat", "synthetic": "samples.mat"}
    summary = case.audit(**sides)
    assert case.right(summary)
    assert said(summary, "--train train.mat: its shape (12, 16, 100) is read as (H, W, N)")
    np.save(case.root / "train.npy", gray["train"].transpose(1, 2, 0))
    (note,) = form_of("--train", SideOptions(Path("train.npy")), None, None).notes
    assert note == "--train train.npy: its shape (12, 16, 100) is read as 12 images of 16x100"


def test_each_side_has_its_own_key(case: Case) -> None:
    np.savez(case.root / "train.npz", train=case.planted["train"], other=np.zeros(3))
    np.savez(case.root / "heldout.npz", images=case.planted["heldout"])
    np.save(case.root / "samples.npy", case.planted["samples"])
    sides = {"train": "train.npz::train", "heldout": "heldout.npz", "synthetic": "samples.npy"}
    assert case.right(case.audit(**sides))
    with pytest.raises(
        ValueError, match=r"samples\.npy: key: got 'x', but a \.npy file holds one array without a name"
    ):
        case.audit(**{**sides, "synthetic": "samples.npy::x"})
    with pytest.raises(ValueError, match="are for pictures, but there are only arrays; leave them out"):
        case.audit("--background", "black", **sides)


# -- containers -------------------------------------------------------------------------------


def png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def zipped(path: Path, images: np.ndarray) -> str:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        for i, image in enumerate(images):
            archive.writestr(f"{i:04}.png", png(image))
    return path.with_suffix(".zip").name


def tabled(path: Path, images: np.ndarray) -> str:
    rows = [{"bytes": png(image), "path": None} for image in images]
    pq.write_table(pa.table({"image": rows, "label": [0] * len(rows)}), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet").name


def encoded(path: Path, images: np.ndarray) -> str:
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        rows = file.create_dataset("images", (len(images),), h5py.vlen_dtype(np.uint8))
        for i, image in enumerate(images):
            rows[i] = np.frombuffer(png(image), np.uint8)
    return path.with_suffix(".h5").name


@pytest.mark.parametrize("write", [zipped, tabled, encoded])
def test_containers(case: Case, write: Callable[[Path, np.ndarray], str]) -> None:
    case.folders("samples")
    sides = {name: write(case.root / name, case.planted[name]) for name in ("train", "heldout")}
    assert case.right(case.audit(**sides))


# -- samples that are no images ---------------------------------------------------------------


def test_noise_is_not_called_generalized_alone(case: Case) -> None:
    case.folders("train", "heldout")
    rng = np.random.default_rng(0)
    save(case.root / "samples", rng.integers(0, 256, (60, SIDE, SIDE, 3), np.uint8))
    summary = case.audit()
    assert summary["generalized"]["fraction"] == 1
    assert summary["implausible"]
    assert summary["plausibility"]["far"]["low"] > 0.5
    assert summary["notes"][0].startswith("The samples look like no real image of these data: 100.0% of them")
    page = (case.root / "out/report.html").read_text()
    assert page.index("The samples look like no real image") < page.index("What was compared")
    assert app(["audit", "--train", "train", "--synthetic", "samples", "--heldout", "heldout", "--metric", "pixels",
                "--out", "out", "--fail-above", "0.5"], standalone_mode=False) == 3  # fmt: skip
    assert json.loads((case.root / "out/summary.json").read_text())["verdict"]["outcome"] == "undecided"


def test_empty_tiles_are_said(case: Case) -> None:
    """As scans of slides are cut: many tiles show nothing."""
    rng = np.random.default_rng(3)
    for name, images in case.planted.items():
        blank = 240 + rng.integers(-1, 2, (20, SIDE, SIDE, 3))
        save(case.root / name, np.concatenate([images, blank.astype(np.uint8)]))
    assert said(case.audit(), "20 of 120 images are nearly empty")
