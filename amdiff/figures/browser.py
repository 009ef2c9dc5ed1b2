"""Data for browsing samples on the page: their pictures, and the facts about each, as plain data.

The pictures of one K lie row by row on one PNG, called a sheet. A picture is identified by its place on the sheet,
counted from 0, row by row.
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
"""The script that the page runs."""


@dataclass(frozen=True)
class Sorting:
    """Classes and nearest neighbours by one metric: of the m shown samples, with up to k neighbours in each set."""

    delta_m: float
    """Threshold of the distance to the training set."""
    delta_s: float
    """Threshold of the distance to another sample."""
    counts: Sequence[int]
    """Number of samples in each class, including those that are not shown."""
    classes: Int8[np.ndarray, " m"]
    """Index into ``CLASSES``, for each sample."""
    attractor: Float64[np.ndarray, " m"]
    """Label of the sample's attractor; NaN for a sample in no attractor."""
    ratio: Float64[np.ndarray, " m"]
    """Distance to the nearest training image, divided by the distance to the second nearest; NaN without a second."""
    train: tuple[Int64[np.ndarray, "m k"], Float64[np.ndarray, "m k"]]
    """Nearest training images: their places on the sheet, and their distances (inf where there are fewer than k)."""
    near: tuple[Int64[np.ndarray, "m k"], Float64[np.ndarray, "m k"]]
    """Nearest other samples, in the same form."""


@dataclass(frozen=True)
class Sheet:
    """The pictures of one K: first the shown samples, in order, then their neighbours."""

    size: int
    """K."""
    samples: int
    """Number of shown samples."""
    images: UInt8[np.ndarray, "n c h w"]
    """The pictures, in the order of the sheet."""
    factor: int
    """Factor by which width and height of the pictures were reduced; 1 for none."""
    number: Int64[np.ndarray, " n"]
    """For a sample its number in S', for a training image its row in the dataset."""
    name: Sequence[str | None]
    """Name of the file that each picture was read from; None where there was none."""
    sortings: Mapping[str, Sorting]
    """Classes and neighbours, by metric."""


@dataclass(frozen=True)
class Browser:
    """Everything that a page lets its reader browse."""

    sheets: Sequence[Sheet]
    """One for each K."""
    labels: Mapping[str, str]
    """Display name of each metric; the first metric decides."""

    @property
    def data(self) -> str:
        """The data as JSON, escaped so that no string in it can end the script element around it."""
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
    """A number rounded to four digits; None for NaN and infinity."""
    return float(f"{value:.4g}") if np.isfinite(value) else None


def reduced(images: UInt8[np.ndarray, "n c h w"], factor: int) -> UInt8[np.ndarray, "n c h2 w2"]:
    """Reduce images by averaging blocks of ``factor`` x ``factor`` pixels.

    Blocks at the last row and column may hold fewer pixels.
    """
    if factor == 1:
        return images
    planes = (np.stack([np.asarray(Image.fromarray(plane).reduce(factor)) for plane in image]) for image in images)
    return np.stack(list(planes))


def as_png(images: UInt8[np.ndarray, "n c h w"], columns: int) -> bytes:
    """A PNG file that holds the images row by row, ``columns`` in a row."""
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, channels, height, width), np.uint8)
    sheet[:count] = images
    joined = sheet.reshape(rows, columns, channels, height, width).transpose(2, 0, 3, 1, 4)
    flat = joined.reshape(channels, rows * height, columns * width)
    out = io.BytesIO()
    Image.fromarray(rgb(flat) if channels == 3 else flat[0]).save(out, "PNG", optimize=False)
    return out.getvalue()
