"""Pictures are read as people see them, and what 8 bits cannot hold is refused."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from amdiff.config import FolderDataset
from amdiff.data.datasets import Reading, load, peek
from amdiff.data.frames import _bits
from amdiff.data.pictures import decode, look, picture_suffixes
from amdiff.data.tally import Tally
from amdiff.errors import DataError


@pytest.fixture
def upright(rng: np.random.Generator) -> np.ndarray:
    """A smooth colour picture, higher than wide."""
    small = Image.fromarray(rng.integers(0, 256, (4, 3, 3), np.uint8))
    return np.asarray(small.resize((24, 32), Image.Resampling.BICUBIC))


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How pixels lie in a file whose tag has that number."""


@pytest.mark.parametrize("number", [1, *TURNS])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_orientation_tags_are_applied(tmp_path: Path, upright: np.ndarray, number: int, suffix: str) -> None:
    picture = Image.fromarray(upright)
    stored = picture.transpose(TURNS[number]) if number in TURNS else picture
    exif = Image.Exif()
    exif[0x0112] = number
    path = tmp_path / f"x{suffix}"
    options: dict[str, Any] = {".jpg": {"quality": 98, "subsampling": 0}, ".webp": {"lossless": True}}.get(suffix, {})
    if suffix == ".tif":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[274] = number
        stored.save(path, tiffinfo=tags)
    else:
        stored.save(path, exif=exif, **options)
    tally = Tally()
    found = decode("x", path, 3, tally=tally).transpose(1, 2, 0)
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).mean() < 3
    assert tally.turned == (number != 1)
    seen = look("x", path)
    assert (seen.height, seen.width) == upright.shape[:2]
    assert peek(FolderDataset(kind="folder", path=tmp_path))[2] == (3, 32, 24)


def transparent(mode: str, alpha: np.ndarray, colour: np.ndarray) -> Image.Image:
    whole = Image.fromarray(np.dstack([colour, alpha]))
    if mode == "RGBA":
        return whole
    if mode == "LA":
        return Image.merge("LA", [Image.fromarray(colour[..., 0]), Image.fromarray(alpha)])
    if mode == "P":  # one entry of the palette is transparent
        entries = Image.fromarray(np.where(alpha > 0, 1, 0).astype(np.uint8)).convert("P")
        entries.putpalette([255, 0, 0, 40, 80, 120])
        entries.info["transparency"] = 0
        return entries
    raise AssertionError(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize(("background", "shown"), [("white", (255, 255, 255)), ("#102030", (16, 32, 48))])
def test_transparent_pixels_show_the_background(
    tmp_path: Path, rng: np.random.Generator, mode: str, background: str, shown: tuple[int, ...]
) -> None:
    alpha = np.zeros((8, 8), np.uint8)
    alpha[2:6, 2:6] = 255
    picture = transparent(mode, alpha, rng.integers(0, 256, (8, 8, 3), np.uint8))
    extra = {"transparency": 0} if mode == "P" else {}
    picture.save(tmp_path / "x.png", **extra)
    reading = Reading(FolderDataset(kind="folder", path=tmp_path, background=background))
    (block,) = list(reading)
    image = block.images[0].transpose(1, 2, 0)
    assert (image[alpha == 0] == shown).all()
    assert np.array_equal(image[alpha > 0], np.asarray(picture.convert("RGB"))[alpha > 0])
    (note,) = [n for n in reading.notes if "transparent" in n]
    assert note == f"1 picture with transparent pixels put on {background}"


def test_half_transparent_pixels_are_mixed(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 0, 0, 128)).save(tmp_path / "x.png")
    assert abs(int(decode("x", tmp_path / "x.png", 1)[0, 0, 0]) - 127) <= 1


def test_an_opaque_alpha_channel_is_no_news(tmp_path: Path, upright: np.ndarray) -> None:
    Image.fromarray(upright).convert("RGBA").save(tmp_path / "x.png")
    reading = Reading(FolderDataset(kind="folder", path=tmp_path))
    (block,) = list(reading)
    assert np.array_equal(block.images[0].transpose(1, 2, 0), upright)
    assert reading.notes == []


def test_the_main_picture_of_a_camera_is_read(tmp_path: Path, upright: np.ndarray) -> None:
    first = Image.fromarray(upright)
    small = first.resize((6, 8))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[small], quality=98, subsampling=0)
    with TiffImagePlugin.AppendingTiffWriter(tmp_path / "b.tif", True) as out:  # the preview comes first
        for page, reduced in ((small, 1), (first, 0)):
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags[254] = reduced
            page.save(out, format="TIFF", tiffinfo=tags)
            out.newFrame()
    reading = Reading(FolderDataset(kind="folder", path=tmp_path))
    (block,) = list(reading)
    for image in block.images:
        assert np.abs(image.transpose(1, 2, 0).astype(int) - upright).mean() < 3
    assert "2 pictures with previews or layers in the same file: the main picture is read" in reading.notes


@pytest.mark.parametrize("kind", ["gif", "webp", "png", "tiff"])
def test_several_pictures_in_one_file_are_refused(tmp_path: Path, kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 120, 250)]
    frames[0].save(tmp_path / f"x.{kind}", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=rf"x\.{kind} is animated, 3 pictures in one file"):
        load(FolderDataset(kind="folder", path=tmp_path))


# -- more than 8 bits -------------------------------------------------------------------------


def png16(colour_type: int, channels: int) -> bytes:
    """A PNG of 4x4 with 16 bits a channel."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + bytes(range(8 * channels)) for _ in range(4))
    head = struct.pack(">IIBBBBB", 4, 4, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg2000(mode: str) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (32, 32), 1000).save(out, "JPEG2000")
    return out.getvalue()


WIDE = {
    "gray.png": png16(0, 1),
    "rgb.png": png16(2, 3),
    "gray-alpha.png": png16(4, 2),
    "rgba.png": png16(6, 4),
    "rgb.ppm": b"P6 4 4 65535\n" + bytes(range(96)),
    "odd.ppm": b"P6 4 4 1023\n" + bytes([0, 9] * 48),
    "gray.pgm": b"P5 4 4 65535\n" + bytes(range(32)),
    "plain.ppm": b"P3 1 1 65535\n 1 2 60000\n",
    "gray.jp2": jpeg2000("I;16"),
    "float.tif": None,
}


@pytest.mark.parametrize("name", WIDE)
def test_more_than_8_bits_a_channel_are_noticed(tmp_path: Path, name: str) -> None:
    """Also where Pillow reduces them in silence."""
    content = WIDE[name]
    if content is None:
        Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(content)
    for attempt in (peek, load):
        with pytest.raises(DataError, match=rf"{name} has .* pixels, more than 8 bits a channel; convert it"):
            attempt(FolderDataset(kind="folder", path=tmp_path))


def test_sixteen_bit_colour_in_tiff_is_noticed(tmp_path: Path) -> None:
    """Pillow writes none, so a picture of 8 bits is given the header and the pixels of one with 16."""
    tags = {256: 4, 257: 4, 259: 1, 262: 2, 277: 3, 278: 4}
    entries = [(tag, 4, 1, struct.pack("<I", value)) for tag, value in tags.items()]
    start = 8 + 2 + 12 * 9 + 4
    entries += [(258, 3, 3, struct.pack("<I", start)), (273, 4, 1, struct.pack("<I", start + 6))]
    entries += [(279, 4, 1, struct.pack("<I", 96))]
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries))
    body = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in sorted(entries))
    (tmp_path / "x.tif").write_bytes(head + body + bytes(4) + struct.pack("<HHH", 16, 16, 16) + bytes(96))
    with pytest.raises(DataError, match=r"x\.tif has RGB;16L pixels, more than 8 bits a channel"):
        load(FolderDataset(kind="folder", path=tmp_path))


def test_depths_of_formats_that_pillow_always_reduces() -> None:
    def av1(flags: int) -> bytes:
        return b"\0\0\0\x0cav1C" + bytes([0x81, 0x04, flags, 0])

    assert [_bits(av1(flags)) for flags in (0x0C, 0x4C, 0x6C)] == [8, 10, 12]
    siz = b"\xff\x4f\xff\x51" + bytes(38)
    assert [_bits(b"jp2" + siz + bytes([bits - 1]) + bytes(8)) for bits in (8, 12, 16)] == [8, 12, 16]
    assert _bits(b"nothing") == 8


def test_pictures_of_few_levels_are_scaled_by_their_range(tmp_path: Path) -> None:
    (tmp_path / "x.pgm").write_bytes(b"P5 4 1 15\n" + bytes([0, 5, 10, 15]))
    assert load(FolderDataset(kind="folder", path=tmp_path, channels=1)).images.ravel().tolist() == [0, 85, 170, 255]
    packed = Image.fromarray(np.eye(8, dtype=bool))
    assert packed.mode == "1"
    packed.save(tmp_path / "x.png")
    assert decode("x", tmp_path / "x.png", 1).max() == 255


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".avif", ".jp2", ".tga", ".pnm", ".qoi", ".apng", ".dib", ".PNG"])
def test_every_suffix_that_pillow_reads_is_read(tmp_path: Path, upright: np.ndarray, suffix: str) -> None:
    kind = {".jfif": "JPEG", ".jpe": "JPEG", ".pnm": "PPM", ".apng": "PNG", ".jp2": "JPEG2000"}
    Image.fromarray(upright).save(tmp_path / f"x{suffix}", kind.get(suffix))
    assert load(FolderDataset(kind="folder", path=tmp_path)).images.shape == (1, 3, 32, 24)


def test_formats_that_pillow_only_names_are_none() -> None:
    assert not {".h5", ".mpg", ".eps", ".wmf", ".grib"} & picture_suffixes()
    assert {".png", ".jpg", ".jfif", ".avif", ".webp"} <= picture_suffixes()
