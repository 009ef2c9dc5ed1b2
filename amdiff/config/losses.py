"""Losses of a model on its training images and on held-out ones, noise level by noise level."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Seed, Spec


class LossesSpec(Spec):
    """Losses of a model at single noise levels, and the distance of its score to closed forms."""

    count: Annotated[int, Field(ge=2)] = 512
    """Number of training images, and of held-out ones, at most. Both have the same noise."""
    levels: Annotated[int, Field(ge=2, le=10_000)] = 16
    """Number of noise levels, which are evenly spaced in the logarithm of the noise-to-signal ratio."""
    draws: Annotated[int, Field(ge=1, le=1000)] = 1
    """Number of noises at each image and level."""
    pool: Annotated[int, Field(ge=2)] = 10_000
    """Number of images of the pool whose closed forms are compared, at most: their finite set, and a Gaussian that is
    fitted to them. They contain S if they are more than K, and none of the held-out images. A finite set of more than
    2^28 values is left out, and so is a Gaussian of images of more than 4,096 values."""
    seed: Seed = 0
