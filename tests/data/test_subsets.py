"""Training sets are nested; held-out images are in none of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from amdiff.data.subsets import heldout_subset, permutation, training_subset


@given(count=st.integers(2, 200), seed=st.integers(0, 2**40), data=st.data())
def test_subsets_nest_and_the_rest_is_held_out(count: int, seed: int, data: st.DataObject) -> None:
    small = data.draw(st.integers(1, count))
    large = data.draw(st.integers(small, count))
    test_count, limit = data.draw(st.integers(0, 20)), data.draw(st.integers(0, 250))
    first, second = training_subset(count, small, seed), training_subset(count, large, seed)
    assert np.array_equal(second[:small], first)
    assert len(set(second)) == large
    heldout = heldout_subset(count, test_count, large, seed, limit)
    assert len(heldout) == min(limit, count - large + test_count) == len(set(heldout))
    assert not set(heldout) & set(second)
    assert set(heldout) <= set(range(count + test_count))
    if len(heldout) <= test_count:
        assert set(heldout) <= set(range(count, count + test_count))


def test_the_stream_is_frozen() -> None:
    """These numbers name training sets in published results: they may never change."""
    assert permutation(10, 3407).tolist() == FROZEN


def test_a_training_set_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ValueError, match="choose K between 1 and 5"):
        training_subset(5, 6, 0)


FROZEN = [7, 5, 6, 0, 3, 1, 9, 4, 8, 2]
