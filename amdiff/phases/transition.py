"""The fall of memorization as K grows: it starts at A and is over at B (appendix B.1).

Let m(K) be the share of memorized samples in a sparse sweep, M its largest value and m_N its value at the last K. The
part of the fall that remains at K is ``(m(K) - m_N) / (M - m_N)``. A is the K just before this part first drops below
``1 - fallen``, counted from the K of the largest value. B is the first K from which on the part is at most ``fallen``.
The paper chose A and B by eye.
"""

from __future__ import annotations

from collections.abc import Sequence

from amdiff.errors import AmdiffError

LEAST = 0.3
"""Memorization that falls by less than this share of the samples is not called a transition."""


def find_transition(sizes: Sequence[int], memorized: Sequence[float], fallen: float) -> tuple[int, int]:
    """Return the sizes A and B between which memorization falls.

    ``sizes`` are the K of a sweep in increasing order, and ``memorized`` the share of memorized samples at each.
    ``fallen`` is the share of the fall, between 0 and 0.5, that may be missing at both ends.
    Raises ``AmdiffError`` if there are fewer than three sizes, or if memorization falls by less than 0.3.
    """
    if len(sizes) < 3:
        raise AmdiffError(f"a transition cannot be found from {len(sizes)} sizes; give the sparse sweep three or more")
    top, bottom = max(memorized), memorized[-1]
    if top - bottom < LEAST:
        raise AmdiffError(
            f"the share of memorized samples goes from a maximum of {top:.2f} to {bottom:.2f} at K = {sizes[-1]:,}, "
            "which is no transition; train longer, or give the grid's 'fall' and 'plateau'"
        )
    left = [(m - bottom) / (top - bottom) for m in memorized]
    highest = left.index(1.0)
    before = next(i for i, rest in enumerate(left) if i > highest and rest < 1 - fallen)
    after = len(left) - next(i for i, rest in enumerate(reversed(left)) if rest > fallen)
    return sizes[before - 1], sizes[after]
