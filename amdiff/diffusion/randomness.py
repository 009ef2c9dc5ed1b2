"""Noise that depends on (seed, index) only.

Sample i of a synthetic set has a counter-based stream of its own (Philox with the key (seed, i)),
so that the batch size, the order, shards and interruptions leave its noise unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float32

ANALYSIS = 2**41
"""Added to the number of an image for noise that looks at it, which must not be the noise that it was drawn from."""


class SampleNoise:
    """Standard normal noise for a batch of samples, each from its own stream."""

    def __init__(self, seed: int, indices: Iterable[int]) -> None:
        keys = (np.array([seed, index], dtype=np.uint64) for index in indices)
        self._streams = [np.random.Generator(np.random.Philox(key=key)) for key in keys]

    def __len__(self) -> int:
        return len(self._streams)

    def __call__(self, shape: Sequence[int]) -> Float32[np.ndarray, "n ..."]:
        """The next ``shape`` normal numbers of every stream, (n, *shape)."""
        out = np.empty((len(self._streams), int(np.prod(shape))), np.float32)
        for stream, row in zip(self._streams, out, strict=True):
            stream.standard_normal(out=row, dtype=np.float32)
        return out.reshape(len(self._streams), *shape)
