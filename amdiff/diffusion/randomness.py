"""Noise that depends only on (seed, index).

Each sample i of a synthetic set has its own counter-based stream (Philox with the key (seed, i)). So the batch size,
the order, shards and interruptions do not change its noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float32

ANALYSIS = 2**41
"""Offset added to the number of an image to get the stream of noise that an analysis adds to it.

So an analysis never uses the noise from which the image was drawn."""


class SampleNoise:
    """Standard normal noise for a batch of samples, each from its own stream.

    The noise of a sample depends only on the seed and on the index of the sample. So it does not depend on the batch
    size or on the order of samples. Each call goes on where the one before ended.

    Parameters
    ----------
    seed
        Seed of the set, a non-negative integer.
    indices
        The index of each sample in the batch, non-negative integers; ``range(n)`` for n samples.
    """

    def __init__(self, seed: int, indices: Iterable[int]) -> None:
        keys = (np.array([seed, index], dtype=np.uint64) for index in indices)
        self._streams = [np.random.Generator(np.random.Philox(key=key)) for key in keys]

    def __len__(self) -> int:
        return len(self._streams)

    def __call__(self, shape: Sequence[int]) -> Float32[np.ndarray, "n ..."]:
        """Return the next numbers of every stream as float32 (n, *shape), where ``shape`` is that of one sample."""
        out = np.empty((len(self._streams), int(np.prod(shape))), np.float32)
        self.fill(out)
        return out.reshape(len(self._streams), *shape)

    def fill(self, out: Float32[np.ndarray, "m size"], first: int = 0) -> None:
        """Fill ``out`` (m, size), in place, with the next numbers of the m streams from number ``first`` on."""
        for stream, row in zip(self._streams[first : first + len(out)], out, strict=True):
            stream.standard_normal(out=row, dtype=np.float32)
