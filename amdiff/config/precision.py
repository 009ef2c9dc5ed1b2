"""In which arithmetic networks are evaluated."""

from __future__ import annotations

from typing import Literal

from .base import Spec

Precision = Literal["float32", "tfloat32", "bfloat16"]


class Evaluated(Spec):
    """Something that evaluates a network, in a precision of its own."""

    precision: Precision = "float32"
    """Arithmetic of the network. Its weights and the images between its evaluations stay float32.

    'tfloat32' multiplies numbers of 10 bits on recent NVIDIA GPUs. 'bfloat16' uses PyTorch's autocast, with numbers of
    8 bits.
    """

    def idle(self) -> set[str]:
        """float32 is not named. So results in float32 have the addresses of versions that knew no other."""
        return super().idle() | ({"precision"} if self.precision == "float32" else set())
