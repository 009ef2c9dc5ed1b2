"""Training sets are nested; held-out images are in none of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from amdiff.data.orders import read_order
from amdiff.data.subsets import heldout_subset, permutation, training_subset
from amdiff.errors import DataError


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


def test_torchs_order_is_that_of_published_checkpoints() -> None:
    """``torch.manual_seed(3407); torch.randperm(10)``; its training sets are others than numpy's."""
    torch.manual_seed(3407)
    theirs = torch.randperm(50_000).numpy()
    assert (permutation(50_000, 3407, "torch") == theirs).all()
    ours = training_subset(50_000, 2000, 3407)
    assert len(np.intersect1d(theirs[:2000], ours)) / 2000 == pytest.approx(2000 / 50_000, abs=0.02)
    held = heldout_subset(50_000, 0, 2000, 3407, 50_000, "torch")
    assert set(held.tolist()) == set(theirs[2000:].tolist())


def test_an_order_that_the_user_gives() -> None:
    order = np.array([3, 0, 4])
    rest = [i for i in permutation(6, 0).tolist() if i not in (3, 0, 4)]
    assert permutation(6, 0, order).tolist() == [3, 0, 4, *rest]  # the others in a random order, not by number
    assert training_subset(6, 2, 0, order).tolist() == [3, 0]
    assert heldout_subset(6, 0, 2, 0, 9, order).tolist() == [*rest[::-1], 4]
    with pytest.raises(ValueError, match="has 3 rows, which are too few for K = 4"):
        training_subset(6, 4, 0, order)
    with pytest.raises(ValueError, match="distinct"):
        permutation(6, 0, np.array([1, 1]))
    for wrong in ([0, 6], [-1, 2]):
        with pytest.raises(ValueError, match="must be 0 to 5"):
            permutation(6, 0, np.array(wrong))


@pytest.mark.parametrize("name", ["rows.npy", "rows.txt"])
def test_files_of_rows(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    np.save(path, np.array([2, 0], np.int32)) if name.endswith("npy") else path.write_text("# theirs\n2\n0\n")
    assert read_order(path).tolist() == [2, 0]
    path.write_text("nothing of the kind")
    with pytest.raises(DataError, match="expected row numbers"):
        read_order(path)
    np.save(tmp_path / "wide.npy", np.zeros((2, 2)))
    with pytest.raises(DataError, match=r"got float64 numbers of shape \(2, 2\)"):
        read_order(tmp_path / "wide.npy")
    with pytest.raises(DataError, match="no such file"):
        read_order(tmp_path / "nowhere.npy")


FROZEN = [7, 5, 6, 0, 3, 1, 9, 4, 8, 2]
