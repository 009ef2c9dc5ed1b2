"""A and B of a sparse sweep, and the grid around them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from amdiff.config import ConfigError, GridSpec, parse_config
from amdiff.phases.transition import find_transition

PAPER = {
    "MNIST": (4000, 32000, 60000),
    "FASHION-MNIST": (4000, 16000, 60000),
    "CIFAR10 64": (500, 8000, 50000),
    "CIFAR10 96 and 128": (2000, 16000, 50000),
    "LSUN 64": (1000, 8000, 126227),
    "LSUN 96": (2000, 16000, 126227),
    "LSUN 128": (4000, 16000, 126227),
}


@pytest.mark.parametrize(("a", "b", "n"), PAPER.values(), ids=PAPER)
def test_the_papers_grids(a: int, b: int, n: int) -> None:
    """38 sizes, by the formula that the published grids follow."""
    first = [int(v) for v in np.linspace(0, a, 5)][1:-1]
    rest = [int(v) for v in np.linspace(b, n, 5)][1:]
    expected = [2, *first, *(int(v) for v in np.linspace(a, b, 30)), *rest]
    found = GridSpec(kind="grid", largest=n, fall=a, plateau=b).known
    assert found == tuple(expected)
    assert len(found) == len(set(found)) == 38


def test_the_sparse_sweep_doubles() -> None:
    assert GridSpec(kind="grid", largest=50000).doubling == (*(2**i for i in range(1, 16)), 50000)
    assert GridSpec(kind="grid", largest=64).doubling == (2, 4, 8, 16, 32, 64)


@pytest.mark.parametrize(
    ("memorized", "expected"),
    [
        ([1.0, 1.0, 0.99, 0.9, 0.5, 0.02, 0.0], (8, 64)),
        ([0.6, 0.9, 0.88, 0.4, 0.3, 0.04, 0.0], (8, 64)),  # rises first
        ([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], (2, 4)),
        ([1.0, 0.5, 0.01, 0.2, 0.0, 0.0, 0.0], (2, 32)),  # falls, comes back, falls
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.2], (64, 128)),
    ],
)
def test_fall_and_plateau(memorized: list[float], expected: tuple[int, int]) -> None:
    assert find_transition([2, 4, 8, 16, 32, 64, 128], memorized, 0.05) == expected


@given(st.lists(st.floats(0, 1), min_size=3, max_size=12), st.floats(0.01, 0.4))
def test_any_sweep_with_a_fall_has_both_in_order(memorized: list[float], fallen: float) -> None:
    sizes = [2**i for i in range(1, len(memorized) + 1)]
    if max(memorized) - memorized[-1] < 0.3:
        with pytest.raises(ValueError, match="no transition"):
            find_transition(sizes, memorized, fallen)
        return
    a, b = find_transition(sizes, memorized, fallen)
    assert sizes[0] <= a < b <= sizes[-1]


def test_too_little_is_no_transition() -> None:
    with pytest.raises(ValueError, match=r"a maximum of 1\.00 to 0\.90 at K = 8, which is no transition"):
        find_transition([2, 4, 8], [1.0, 1.0, 0.9], 0.05)
    with pytest.raises(ValueError, match="cannot be found from 2 sizes; give the sparse sweep three or more"):
        find_transition([2, 4], [1.0, 0.0], 0.05)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"kind": "grid", "largest": 100, "fall": 50, "plateau": 40}, "needs fall < plateau <= largest, got 50, 40"),
        ({"kind": "grid", "largest": 100, "plateau": 101}, "got 2, 101 and 100"),
        ({"kind": "grid"}, r"experiments\.e\.sizes\.largest: required"),
        ({"kind": "grid", "largst": 100}, "did you mean 'largest'"),
    ],
)
def test_a_wrong_grid_is_refused(grid: dict[str, object], message: str) -> None:
    experiment = {"dataset": "digits", "sizes": grid, "denoiser": {"kind": "exact"}}
    with pytest.raises(ConfigError, match=message):
        parse_config({"datasets": {"digits": {"kind": "digits"}}, "experiments": {"e": experiment}})
