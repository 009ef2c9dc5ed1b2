"""Built-in datasets: digits and photos come with scikit-learn, and the circle is computed."""

from __future__ import annotations

import numpy as np

from amdiff.config import CircleDataset, DigitsDataset, PhotosDataset
from amdiff.levels import to_uint8

from .extras import needs
from .images import ImageSet


def digits(spec: DigitsDataset) -> ImageSet:
    """scikit-learn's 1,797 digits of 8x8 pixels, with their values 0..16 mapped to 0..255.

    Raises ``DataError`` if scikit-learn is not installed.
    """
    needs("sklearn", "the dataset 'digits'", "scikit-learn")
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = to_uint8(bunch.images, (0, 16))[:, None]
    return ImageSet(images, "scikit-learn load_digits (UCI optical recognition)", labels=bunch.target.astype(np.int64))


def photos(spec: PhotosDataset) -> ImageSet:
    """Non-overlapping tiles of scikit-learn's two photographs, row by row.

    Strips at the edges that are too narrow for a tile are left out. Raises ``DataError`` if scikit-learn is missing.
    """
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
    """Points on the unit circle at uniform random angles, float32 (N, 2) (section 4.1)."""
    angles = np.random.RandomState(spec.seed).uniform(0, 2 * np.pi, spec.count)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
