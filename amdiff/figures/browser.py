"""Samples to browse on the page: their pictures on sheets, and what is known of each, as plain data.

A sheet is one PNG that holds the pictures of one K in rows; a picture is known by its place on it.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int8, Int64, UInt8
from PIL import Image

from .panels import rgb

SCRIPT = Path(__file__).with_name("browser.js")


@dataclass(frozen=True)
class Sorting:
    """What one metric says of the samples that are shown, m of them, with up to k neighbours on each side."""

    delta_m: float
    delta_s: float
    counts: Sequence[int]
    """Samples of each class in all, shown or not."""
    classes: Int8[np.ndarray, " m"]
    attractor: Float64[np.ndarray, " m"]
    """NaN for a sample that is alone."""
    ratio: Float64[np.ndarray, " m"]
    """Distance to the nearest training image over that to the next; NaN where there is no next."""
    train: tuple[Int64[np.ndarray, "m k"], Float64[np.ndarray, "m k"]]
    """Places on the sheet of the nearest training images, and distances; inf where there are fewer."""
    near: tuple[Int64[np.ndarray, "m k"], Float64[np.ndarray, "m k"]]
    """The same of the nearest other samples."""


@dataclass(frozen=True)
class Sheet:
    """The pictures of one K: first the samples that are shown, in order, then those near to them."""

    size: int
    """K."""
    samples: int
    """How many samples are shown."""
    images: UInt8[np.ndarray, "n c h w"]
    factor: int
    """By which the pictures were reduced."""
    number: Int64[np.ndarray, " n"]
    """Number of each picture in S', or its row in the dataset."""
    name: Sequence[str | None]
    """File of each picture, where it was one."""
    sortings: Mapping[str, Sorting]
    """By metric."""


@dataclass(frozen=True)
class Browser:
    """All that can be browsed."""

    sheets: Sequence[Sheet]
    labels: Mapping[str, str]
    """Metrics, as people read them; the first decides."""

    @property
    def data(self) -> str:
        """JSON that may stand inside a script element, whatever the strings in it."""
        content = {"labels": dict(self.labels), "sheets": [_plain(sheet) for sheet in self.sheets]}
        text = json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _plain(sheet: Sheet) -> dict[str, Any]:
    columns = int(np.ceil(np.sqrt(len(sheet.images))))
    return {
        "size": sheet.size,
        "samples": sheet.samples,
        "width": sheet.images.shape[3],
        "height": sheet.images.shape[2],
        "columns": columns,
        "factor": sheet.factor,
        "sheet": f"data:image/png;base64,{base64.b64encode(as_png(sheet.images, columns)).decode()}",
        "number": sheet.number.tolist(),
        "name": list(sheet.name) if any(sheet.name) else None,
        "metrics": {
            metric: {
                "delta": [s.delta_m, s.delta_s],
                "counts": list(s.counts),
                "class": s.classes.tolist(),
                "attractor": [None if np.isnan(a) else int(a) for a in s.attractor],
                "ratio": [_short(v) for v in s.ratio],
                "train": [_pairs(*row) for row in zip(*s.train, strict=True)],
                "near": [_pairs(*row) for row in zip(*s.near, strict=True)],
            }
            for metric, s in sheet.sortings.items()
        },
    }


def _pairs(places: np.ndarray, distances: np.ndarray) -> list[list[float | None]]:
    return [[int(p), _short(d)] for p, d in zip(places, distances, strict=True) if np.isfinite(d)]


def _short(value: float) -> float | None:
    """Four digits are enough for the eye; None for a number that is none."""
    return float(f"{value:.4g}") if np.isfinite(value) else None


def reduced(images: UInt8[np.ndarray, "n c h w"], factor: int) -> UInt8[np.ndarray, "n c h2 w2"]:
    """Images of which each pixel is the mean of ``factor`` x ``factor``, of fewer at the last row and column."""
    if factor == 1:
        return images
    planes = (np.stack([np.asarray(Image.fromarray(plane).reduce(factor)) for plane in image]) for image in images)
    return np.stack(list(planes))


def as_png(images: UInt8[np.ndarray, "n c h w"], columns: int) -> bytes:
    """Images row by row on one sheet, ``columns`` in a row."""
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, channels, height, width), np.uint8)
    sheet[:count] = images
    joined = sheet.reshape(rows, columns, channels, height, width).transpose(2, 0, 3, 1, 4)
    flat = joined.reshape(channels, rows * height, columns * width)
    out = io.BytesIO()
    Image.fromarray(rgb(flat) if channels == 3 else flat[0]).save(out, "PNG", optimize=False)
    return out.getvalue()
