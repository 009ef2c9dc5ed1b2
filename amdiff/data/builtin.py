"""Datasets that come with scikit-learn or are computed: digits, photos, and the circle."""

from __future__ import annotations

import numpy as np

from amdiff.config import CircleDataset, DigitsDataset, PhotosDataset
from amdiff.levels import to_uint8

from .extras import needs
from .images import ImageSet


def digits(spec: DigitsDataset) -> ImageSet:
    """scikit-learn's digits; their values 0..16 are mapped to 0..255."""
    needs("sklearn", "the dataset 'digits'", "scikit-learn")
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = to_uint8(bunch.images, (0, 16))[:, None]
    return ImageSet(images, "scikit-learn load_digits (UCI optical recognition)", labels=bunch.target.astype(np.int64))


def photos(spec: PhotosDataset) -> ImageSet:
    """Non-overlapping tiles of scikit-learn's two photographs, row by row; a rest at an edge is left out."""
    needs("sklearn", "the dataset 'photos'", "scikit-learn")
    from sklearn.datasets import load_sample_images

    tiles = []
    for photo in load_sample_images().images:
        rows, columns = (side // spec.tile for side in photo.shape[:2])
        cut = photo[: rows * spec.tile, : columns * spec.tile]
        grid = cut.reshape(rows, spec.tile, columns, spec.tile, 3).transpose(0, 2, 4, 1, 3)
        tiles.append(grid.reshape(-1, 3, spec.tile, spec.tile))
    return ImageSet(np.concatenate(tiles), f"scikit-learn load_sample_images, {spec.tile}x{spec.tile} tiles")


def circle(spec: CircleDataset) -> np.ndarray:
    """Points on the unit circle, float32 (N, 2), angles uniform (section 4.1)."""
    angles = np.random.RandomState(spec.seed).uniform(0, 2 * np.pi, spec.count)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
