"""Noise that threads draw ahead, while a GPU computes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from jaxtyping import Float32
from torch import Tensor

from amdiff.errors import AmdiffError

from .randomness import SampleNoise

DRAWING = 8
"""Threads that draw, at most. By then they draw as fast as a GPU takes steps."""


class NoiseAhead:
    """The noise of a ``SampleNoise``, drawn by threads before it is asked for: the same numbers in the same order.

    A GPU takes less time for a step of sampling than one processor core for the noise of it. Use it as a context. It
    draws the noise of one call more than is asked for, so its ``SampleNoise`` must not be used any more.
    """

    def __init__(self, noise: SampleNoise, shape: Sequence[int], *, threads: int, pinned: bool = False) -> None:
        """Begin to draw.

        Parameters
        ----------
        noise
            The streams, n of them.
        shape
            Shape of the noise of one sample, the same at each call.
        threads
            Number of threads that draw.
        pinned
            Draw into memory from which CUDA copies without waiting. Default False.
        """
        self._noise, self._shape, self._pinned = noise, tuple(shape), pinned
        share = max(1, math.ceil(len(noise) / threads))
        self._parts = [slice(first, first + share) for first in range(0, len(noise), share)]
        # one thread for each part, since the numbers of a stream must be drawn in order
        self._lanes = [ThreadPoolExecutor(1, thread_name_prefix="noise") for _ in self._parts]
        self._next = self._begin()

    def __enter__(self) -> NoiseAhead:
        return self

    def __exit__(self, *_: object) -> None:
        for lane in self._lanes:
            lane.shutdown(cancel_futures=True)

    def __call__(self, shape: Sequence[int]) -> Float32[Tensor, "n ..."]:
        """Return the next numbers of every stream (n, *shape), on the CPU, as ``SampleNoise`` would."""
        if tuple(shape) != self._shape:
            raise AmdiffError(f"noise of shape {self._shape} is drawn ahead, but {tuple(shape)} was asked for")
        out, parts = self._next
        for part in parts:
            part.result()
        self._next = self._begin()
        return out

    def _begin(self) -> tuple[Tensor, list[Future[None]]]:
        """Let the threads draw the noise of one more call."""
        out = torch.empty((len(self._noise), *self._shape), dtype=torch.float32, pin_memory=self._pinned)
        rows = out.numpy().reshape(len(self._noise), -1)
        lanes = zip(self._lanes, self._parts, strict=True)
        return out, [lane.submit(self._noise.fill, rows[part], part.start) for lane, part in lanes]
