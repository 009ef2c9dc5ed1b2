"""The fall of memorization: from A, where it starts, to B, where it is over (appendix B.1).

With m(K) the share of memorized samples in a sparse sweep, from its largest value M down to its last value m_N, what
is left of the fall at K is ``(m(K) - m_N) / (M - m_N)``. From the K of the largest value on, A is the last K before
less than ``1 - fallen`` of it is left, and B the first K from which at most ``fallen`` is left everywhere. The paper
chose both by eye.
"""

from __future__ import annotations

from collections.abc import Sequence

from amdiff.errors import AmdiffError

LEAST = 0.3
"""A fall by less than this share of the samples is no transition."""


def find_transition(sizes: Sequence[int], memorized: Sequence[float], fallen: float) -> tuple[int, int]:
    """A and B of a sweep over increasing ``sizes``. Raises ``ValueError`` where memorization does not fall."""
    top, bottom = max(memorized), memorized[-1]
    if len(sizes) < 3 or top - bottom < LEAST:
        raise AmdiffError(
            f"the share of memorized samples goes from {top:.2f} at the most to {bottom:.2f} at K = {sizes[-1]:,}, "
            "which is no transition; train longer, or give the grid's 'fall' and 'plateau'"
        )
    left = [(m - bottom) / (top - bottom) for m in memorized]
    highest = left.index(1.0)
    before = next(i for i, rest in enumerate(left) if i > highest and rest < 1 - fallen)
    after = len(left) - next(i for i, rest in enumerate(reversed(left)) if rest > fallen)
    return sizes[before - 1], sizes[after]
