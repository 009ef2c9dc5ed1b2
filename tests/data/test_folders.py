"""Which files of a folder belong to the set, and what is said of the others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from amdiff.config import ConfigError, FolderDataset, parse_config
from amdiff.data.datasets import Reading, load, peek, source_notes
from amdiff.data.listing import list_pictures
from amdiff.errors import DataError
from amdiff.project import prepare


def fill(folder: Path, names: list[str], rng: np.random.Generator) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(path)


def mine(folder: Path, **more: Any) -> FolderDataset:
    return FolderDataset(kind="folder", path=folder, channels=1, **more)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (".ipynb_checkpoints/a-checkpoint.png", "hidden"),
        ("sub/.thumbnails/large/a.png", "hidden"),
        (".Trash-1000/files/a.png", "hidden"),
        ("._a.png", "hidden"),
        (".hidden.png", "hidden"),
        ("@eaDir/a.jpg/SYNOPHOTO_THUMB_M.png", "@eaDir"),
        ("sub/__MACOSX/._a.png", "__MACOSX"),
        ("#recycle/a.png", "#recycle"),
        ("@Recycle/a.png", "@Recycle"),
        ("$RECYCLE.BIN/a.png", "$RECYCLE.BIN"),
        ("lost+found/a.png", "lost+found"),
        ("labels.csv", ".csv"),
        ("photo.HEIC", ".heic"),
        ("README", "without suffix"),
        ("Thumbs.db", "Thumbs.db"),
    ],
)
def test_what_is_no_image_of_the_set_is_passed_over_and_counted(
    tmp_path: Path, rng: np.random.Generator, place: str, kind: str
) -> None:
    fill(tmp_path, ["a.png", "sub/b.png"], rng)
    other = tmp_path / place
    other.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(tmp_path / "a.png", other)
    reading = Reading(mine(tmp_path, deduplicate=False))
    (block,) = list(reading)
    assert block.names is not None
    assert block.names.tolist() == ["a.png", "sub/b.png"]
    assert reading.notes == [f"passed over: 1 {kind}"] == source_notes(mine(tmp_path))


def test_counts_are_in_one_line_the_largest_first(tmp_path: Path, rng: np.random.Generator) -> None:
    fill(tmp_path, ["a.png"], rng)
    for count, suffix in ((3, ".foo"), (5, ".txt"), (1, ".json")):
        for i in range(count):
            (tmp_path / f"{i}{suffix}").touch()
    for i in range(4):
        (tmp_path / f".{i}").touch()
    assert source_notes(mine(tmp_path)) == ["passed over: 5 .txt, 4 hidden, 3 .foo, 1 .json"]


def test_a_folder_below_a_hidden_one_may_be_the_set(tmp_path: Path, rng: np.random.Generator) -> None:
    fill(tmp_path / ".cache/@eaDir", ["a.png"], rng)
    assert len(list_pictures(tmp_path / ".cache/@eaDir").files) == 1


def test_links_to_folders_are_followed_and_each_folder_is_read_once(tmp_path: Path, rng: np.random.Generator) -> None:
    fill(tmp_path / "set", ["a.png", "deep/b.png"], rng)
    fill(tmp_path / "elsewhere", ["c.png", "inner/d.png"], rng)
    (tmp_path / "set/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/deep/circle").symlink_to(tmp_path / "set")
    (tmp_path / "elsewhere/inner/circle").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/file.png").symlink_to(tmp_path / "elsewhere/c.png")
    (tmp_path / "set/gone.png").symlink_to(tmp_path / "nowhere.png")
    found = list_pictures(tmp_path / "set")
    assert [name for name, _ in found.names()] == [
        "a.png", "deep/b.png", "file.png", "linked/c.png", "linked/inner/d.png",
    ]  # fmt: skip
    assert dict(found.passed) == {"links to folders that are read already": 2, "broken links": 1}


def test_a_folder_without_images_says_what_it_holds(tmp_path: Path) -> None:
    for i in range(160):
        (tmp_path / f"{i}.foo").touch()
    with pytest.raises(DataError, match=r"holds no image files; passed over: 160 \.foo; give a folder"):
        peek(mine(tmp_path))


Spoil = Callable[[Path], object]

BROKEN: dict[str, tuple[Spoil, str]] = {
    "empty": (lambda path: path.write_bytes(b""), "cannot be read as an image"),
    "text": (lambda path: path.write_text("not found"), "cannot be read as an image"),
    "size": (lambda path: Image.new("L", (9, 8)).save(path), "is 8x9, but"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_all_that_cannot_be_used_is_named_at_once_before_any_work(
    tmp_path: Path, rng: np.random.Generator, how: str
) -> None:
    fill(tmp_path / "set", [f"{i:02}.png" for i in range(30)], rng)
    spoil, message = BROKEN[how]
    for i in range(1, 14):
        spoil(tmp_path / f"set/{i:02}.png")
    experiment = {"dataset": "mine", "sizes": [2], "denoiser": {"kind": "exact"}}
    config = parse_config(
        {
            "datasets": {"mine": {"kind": "folder", "path": str(tmp_path / "set"), "channels": 1}},
            "experiments": {"e": experiment},
        }
    )
    with pytest.raises(ConfigError, match=r"13 pictures cannot be used.*and 3 more\. What to do") as said:
        prepare(config, tmp_path)
    assert message in str(said.value)
    assert "10.png" in str(said.value)
    assert "11.png" not in str(said.value)
    with pytest.raises(DataError, match="13 pictures cannot be used"):
        load(mine(tmp_path / "set"))


def test_unreadable_files_are_left_out_where_it_is_asked_for(tmp_path: Path, rng: np.random.Generator) -> None:
    fill(tmp_path, [f"{i}.png" for i in range(6)], rng)
    (tmp_path / "0.png").write_bytes(b"")
    whole = (tmp_path / "3.png").read_bytes()
    (tmp_path / "3.png").write_bytes(whole[: len(whole) * 2 // 3])  # its head is whole
    spec = mine(tmp_path, skip_unreadable=True)
    assert peek(spec) == (6, 0, (1, 8, 8))
    reading = Reading(spec)
    (block,) = list(reading)
    assert block.names is not None
    assert block.names.tolist() == ["1.png", "2.png", "4.png", "5.png"]
    assert reading.notes == [f"left out: 2 pictures that cannot be read, {tmp_path}/0.png, {tmp_path}/3.png"]
    assert "skip_unreadable" not in mine(tmp_path).identity()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/x.png").touch()
    with pytest.raises(DataError, match="holds no image that can be read"):
        peek(mine(tmp_path / "bad", skip_unreadable=True))


def test_a_size_that_differs_is_no_matter_where_all_are_resized(tmp_path: Path, rng: np.random.Generator) -> None:
    fill(tmp_path, ["a.png"], rng)
    Image.new("L", (20, 12), 9).save(tmp_path / "b.png")
    assert peek(mine(tmp_path, resize=8))[0] == 2
    assert load(mine(tmp_path, resize=8)).images.shape == (2, 1, 8, 8)


def test_held_out_images_tell_what_was_passed_over_as_well(tmp_path: Path, rng: np.random.Generator) -> None:
    fill(tmp_path / "a", ["x.png"], rng)
    fill(tmp_path / "b", ["y.png", "z.png"], rng)
    (tmp_path / "b/.DS_Store").touch()
    reading = Reading(mine(tmp_path / "a", heldout=tmp_path / "b"))
    assert [(len(block.images), block.test) for block in reading] == [(1, False), (2, True)]
    assert reading.notes == ["held out: passed over: 1 hidden"]


def test_nearly_empty_pictures_are_said(tmp_path: Path, rng: np.random.Generator) -> None:
    fill(tmp_path, [f"{i}.png" for i in range(10)], rng)
    Image.fromarray(np.full((8, 8), 250, np.uint8) + rng.integers(0, 3, (8, 8), np.uint8)).save(tmp_path / "0.png")
    reading = Reading(mine(tmp_path))
    list(reading)
    (note,) = reading.notes
    assert note.startswith("1 of 10 images are nearly empty")
    assert reading.values["train"]["std"] == pytest.approx(load(mine(tmp_path)).images.std() / 255)


def test_a_part_without_a_readable_picture_is_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    fill(tmp_path / "held", ["a.png"], rng)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/x.png").touch()
    spec = mine(tmp_path / "bad", heldout=tmp_path / "held", skip_unreadable=True)
    for attempt in (peek, load):
        with pytest.raises(DataError, match="bad holds no image that can be read"):
            attempt(spec)


def test_links_to_themselves_and_empty_hidden_folders(tmp_path: Path, rng: np.random.Generator) -> None:
    fill(tmp_path, ["a.png"], rng)
    (tmp_path / "self").symlink_to("self")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    assert dict(list_pictures(tmp_path).passed) == {"broken links": 1}


def test_colour_profiles_that_are_not_applied_are_counted(tmp_path: Path, rng: np.random.Generator) -> None:
    from PIL import ImageCms

    for name, kind in (("a", "sRGB"), ("b", "LAB"), ("c", "XYZ")):
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()  # type: ignore[arg-type]
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / f"{name}.png", icc_profile=profile)
    reading = Reading(mine(tmp_path))
    list(reading)
    assert reading.notes == ["2 pictures with a colour profile other than sRGB, which is not applied"]
